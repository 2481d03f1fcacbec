"""RTP and RTCP as bytes: packets, sequence numbers, what payloads say, what was lost."""
