/**
 * One change of a rule.
 *
 * @param name what it makes of it
 * @param file below the decision package
 * @param before there exactly once
 * @param after instead
 * @param tests simple names of the classes one of which has to fail, separated by spaces
 */
record Mutation(String name, String file, String before, String after, String tests) {}
