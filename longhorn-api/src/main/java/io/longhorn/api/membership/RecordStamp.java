package io.longhorn.api.membership;

/**
 * Which record is newer: by generation of its writer, then by number (R3). Also the unit of {@code
 * leftAt} and of a bitmap's {@code validSince}.
 *
 * @param generation of the engine that wrote the record; 0 for the one made at creation
 * @param number counts records, rising over generations: an opener continues at newest + 1
 */
public record RecordStamp(long generation, long number) implements Comparable<RecordStamp> {
  /** Older than every record. */
  public static final RecordStamp NONE = new RecordStamp(0, 0);

  /** Both parts are not negative. */
  public RecordStamp {
    if (generation < 0 || number < 0) {
      throw new IllegalArgumentException(
          "record stamp (" + generation + ", " + number + "): parts may not be negative");
    }
  }

  @Override
  public int compareTo(RecordStamp other) {
    int byGeneration = Long.compare(generation, other.generation);
    return byGeneration != 0 ? byGeneration : Long.compare(number, other.number);
  }

  /** Whether this record replaces the other one. */
  public boolean isNewerThan(RecordStamp other) {
    return compareTo(other) > 0;
  }

  @Override
  public String toString() {
    return "(" + generation + "," + number + ")";
  }
}
