#version 450

/*
 * Keeps the GPU busy until the CPU says so: a fence that a test signals, where there is no other.
 * It gives up after so many looks, since a GPU must not hang for ever.
 */

layout(local_size_x = 1) in;

layout(std430, set = 0, binding = 1) coherent volatile buffer Flag {
	uint go;
} flag;

void main() {
	for (uint i = 0; i < (1u << 21); i++) {
		/* An atomic operation goes past the caches. */
		if (atomicAdd(flag.go, 0) != 0) {
			return;
		}
	}
}
