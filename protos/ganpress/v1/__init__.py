"""Version 1 of the API: generated stubs of the .proto files beside them."""
