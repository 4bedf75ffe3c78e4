"""Commands beside running the agent, one file each with `main(arguments) -> exit code`."""
