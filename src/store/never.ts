/** The due time of what waits for something else than a time: the last that a Date can hold. */
export const never = 8.64e15;
