"""What forwarding a packet costs, beside the kernel alone and Debian's Janus, measured in the same minutes.

`python -m tests.bench` runs it. The method: fresh server processes in a network namespace of their own,
loads of equal rate, the subjects in turn within each round, ratios within a round. Light bots are the
load, in one process that polls on a 4 ms tick, so that its wake-ups are not on the server's bill;
delivery to a loopback socket runs inside the sender's system call and is, for all subjects alike. No
header extensions, no RTX and no bandwidth estimation are negotiated, except by the subject that is called
after them: there every packet is numbered, and every receiver sends feedback ten times a second. Packets
are of equal size, which favours segmentation offload; publishers are staggered, but packets due within one
tick go out together.
"""
