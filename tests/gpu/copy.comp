#version 450
#extension GL_EXT_samplerless_texture_functions : require

/* Copies the picture into a buffer, pixel by pixel, as B8G8R8A8. */

layout(local_size_x = 8, local_size_y = 8) in;

layout(set = 0, binding = 0) uniform texture2D picture;
layout(std430, set = 0, binding = 1) writeonly buffer Copy {
	uint pixels[];
} copy;

void main() {
	uvec2 at = gl_GlobalInvocationID.xy;
	uint width = gl_NumWorkGroups.x * gl_WorkGroupSize.x;
	copy.pixels[at.y * width + at.x] = packUnorm4x8(texelFetch(picture, ivec2(at), 0).bgra);
}
