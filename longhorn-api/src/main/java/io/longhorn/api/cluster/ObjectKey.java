package io.longhorn.api.cluster;

/**
 * Which object: its kind and its name, unique together.
 *
 * @param name 1 to {@link #MAX_NAME_LENGTH} characters
 */
public record ObjectKey(ObjectKind kind, String name) implements Comparable<ObjectKey> {
  /** Longest name of an object, in characters. */
  public static final int MAX_NAME_LENGTH = 128;

  /** Checks the length of the name. */
  public ObjectKey {
    requireName(name);
  }

  static void requireName(String name) {
    if (name.isEmpty() || name.length() > MAX_NAME_LENGTH) {
      throw new IllegalArgumentException(
          "name of " + name.length() + " characters: use 1 to " + MAX_NAME_LENGTH);
    }
  }

  @Override
  public int compareTo(ObjectKey other) {
    return kind == other.kind ? name.compareTo(other.name) : kind.compareTo(other.kind);
  }

  @Override
  public String toString() {
    return kind + " " + name;
  }
}
