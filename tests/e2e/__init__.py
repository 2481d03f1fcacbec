"""The whole product in real browsers: control, a node and the page, as people use them."""
