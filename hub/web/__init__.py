"""What the hub offers over HTTP."""
