"""What `edge-agent demo` adds around the agent: a broker in the process, a viewer, a score against the truth."""
