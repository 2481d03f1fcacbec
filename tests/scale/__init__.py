"""What several nodes do for calls when nodes are upgraded and lost, and when control is: `make scale`."""
