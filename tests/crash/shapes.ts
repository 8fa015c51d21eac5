/** What the functions of the load and those who check it both know. */

/** How many of `narrow` may run at a time. */
export const narrowPlaces = 3;
/** How many values `shared` comes to. */
export const groups = 4;
