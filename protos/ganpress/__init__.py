"""The protobuf API of GanPress."""
