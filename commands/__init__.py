"""The commands, a module a group; each registers itself with `commands.common.app`."""
