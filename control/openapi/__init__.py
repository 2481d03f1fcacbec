"""What the API is, told from the endpoints themselves: an OpenAPI document, and a page to read it on."""
