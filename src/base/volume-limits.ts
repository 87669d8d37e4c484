// How many volumes of our driver a pod may have. Each has a socket, with memory of its own in the node
// plugin, and one is enough for a pod; admission and the node plugin count alike.

export const MAX_POD_VOLUMES = 4;
