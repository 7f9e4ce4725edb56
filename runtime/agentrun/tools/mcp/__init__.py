"""The Model Context Protocol, as a client: connections to servers, their tools, and calls."""
