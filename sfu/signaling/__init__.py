"""SDP text to plan and back: negotiate() is a pure function from an offer to an answer."""
