package io.longhorn.api;

import java.util.regex.Pattern;

/**
 * The name of a volume: what a person types and an NBD client asks for. 1 to 63 characters,
 * lower-case letters, digits, '-' and '.', each part between dots begins and ends with a letter or
 * digit (a Kubernetes object name, so that one name serves everywhere).
 *
 * @param value the name itself
 */
public record VolumeName(String value) implements Comparable<VolumeName> {
  /** Longest name, in characters. */
  public static final int MAX_LENGTH = 63;

  private static final String PART = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";
  private static final Pattern SHAPE = Pattern.compile(PART + "([.]" + PART + ")*");

  /** Checks the shape; throws {@link IllegalArgumentException} with what is wrong. */
  public VolumeName {
    if (value.length() > MAX_LENGTH || !SHAPE.matcher(value).matches()) {
      throw new IllegalArgumentException(
          "volume name '"
              + value.substring(0, Math.min(value.length(), MAX_LENGTH))
              + "': use 1 to "
              + MAX_LENGTH
              + " of a-z 0-9 - . and begin and end each part between dots with a letter or digit");
    }
  }

  @Override
  public int compareTo(VolumeName other) {
    return value.compareTo(other.value);
  }

  @Override
  public String toString() {
    return value;
  }
}
