"""Engines in other processes and on other machines: Wyoming servers, and OpenAI's API."""
