"""The Open Inference Protocol: generated stubs of the .proto files beside them.

Their messages live in a descriptor pool of their own, so that `tritonclient`, whose stubs have the same
names, can be imported in the same process.
"""

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
