"""OpenAI's interface, so that programs that speak to it can speak to the hub.

docs/openai-api.md says what differs.
"""
