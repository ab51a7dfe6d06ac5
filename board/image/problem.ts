/** A failure that the person who builds can do something about; shown without a stack. */
export class BuildProblem extends Error {}
