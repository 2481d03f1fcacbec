"""What every request passes: who calls, from where, whether it may, and the one shape of a refusal."""
