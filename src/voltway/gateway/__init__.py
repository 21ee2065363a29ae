"""Station sockets: server, security, link, ingest, commands."""
