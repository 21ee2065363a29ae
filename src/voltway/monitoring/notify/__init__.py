"""Who is told of an incident, when and how; the public event stream and webhooks."""
