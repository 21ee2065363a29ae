"""The HTTP shell: application factory, who is asking, errors, streams, static files."""
