"""How many people can join, and how much can be said, in a second: control on each kind of its parts."""
