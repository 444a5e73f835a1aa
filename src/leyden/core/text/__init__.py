"""Text that people type and read: quoted commands, comments of YAML files."""
