package io.longhorn.orchestration.reconcile;

import java.util.Comparator;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** What is to be looked at again, and when. Each name once. One thread. */
final class Schedule {
  private final TreeMap<String, Long> times = new TreeMap<>();
  private final TreeSet<Entry> entries =
      new TreeSet<>(Comparator.comparingLong(Entry::atMillis).thenComparing(Entry::name));

  private record Entry(String name, long atMillis) {}

  /** Then, and not when it was to be before; {@link Long#MAX_VALUE} is never. */
  void put(String name, long atMillis) {
    Long before =
        atMillis == Long.MAX_VALUE ? times.remove(name) : times.put(name, Long.valueOf(atMillis));
    if (before != null) {
      entries.remove(new Entry(name, before));
    }
    if (atMillis != Long.MAX_VALUE) {
      entries.add(new Entry(name, atMillis));
    }
  }

  /** What is due; it is not there any more. */
  SortedSet<String> takeDue(long nowMillis) {
    TreeSet<String> due = new TreeSet<>();
    while (nextMillis() <= nowMillis) {
      String name = entries.removeFirst().name();
      times.remove(name);
      due.add(name);
    }
    return due;
  }

  /** When the next is due; {@link Long#MAX_VALUE} for never. */
  long nextMillis() {
    return entries.isEmpty() ? Long.MAX_VALUE : entries.first().atMillis();
  }
}
