"""RTP and RTCP as bytes: header views and patches, sequence arithmetic, packet history, payload descriptors."""
