"""Archives of chats: what was written in a meeting as one file, made when the meeting ends, for its host."""
