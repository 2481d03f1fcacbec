"""People with an account: who they are, their passwords, and the tokens that stand for them."""
