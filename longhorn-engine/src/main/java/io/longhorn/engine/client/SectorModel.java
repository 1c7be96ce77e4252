package io.longhorn.engine.client;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a read of each sector may return. A device with overlapping requests is a register a sector:
 * a read returns the last write that was answered before the read was sent, or one that overlaps
 * it, or one whose outcome is unknown; and once a read has returned something, nothing older comes
 * back. Times and versions are numbers of one clock that ticks at every event.
 *
 * <p>Most sectors are <em>settled</em>: one possible content, one number. The others have a
 * history: the changes that may be visible, and those hidden by a later one that a loss of power
 * may bring back because no flush has been answered since.
 *
 * <p>Not thread-safe.
 */
final class SectorModel {
  /** Sectors of the unit in which TRIM works: only whole blocks are sure to become zero. */
  static final int BLOCK_SECTORS = 8;

  private static final int UNDER_WAY = Integer.MAX_VALUE;

  /** A write, zero or trim under way or done. */
  static final class Change {
    final int version;
    final int first;
    final int count;
    final boolean isZero;
    final boolean isTrim;
    private int end = UNDER_WAY;

    Change(int version, int first, int count, boolean isZero, boolean isTrim) {
      this.version = version;
      this.first = first;
      this.count = count;
      this.isZero = isZero;
      this.isTrim = isTrim;
    }

    /** Content as one number: the version, or its negative if it is zeros. */
    private int content() {
      return isZero ? -version : version;
    }

    /** A trim leaves partly covered blocks as they were, or zeroes them. */
    private boolean isSureOf(int sector) {
      int block = sector - sector % BLOCK_SECTORS;
      return !isTrim || (block >= first && block + BLOCK_SECTORS <= first + count);
    }
  }

  /** A read under way, with what was possible when it was sent. */
  static final class Sight {
    final int issued;
    final int first;
    final int count;
    private final int[] settled;
    private final int @Nullable [][] several;

    private Sight(int issued, int first, int[] settled, int @Nullable [][] several) {
      this.issued = issued;
      this.first = first;
      this.count = settled.length;
      this.settled = settled;
      this.several = several;
    }
  }

  private static final class Entry {
    final Change change;

    /** 0 while a read may return it. */
    int hiddenAt;

    Entry(Change change) {
      this.change = change;
    }
  }

  private final int[] settled;
  private final int[] lastZeroing;
  private final Map<Integer, List<Entry>> histories = new HashMap<>();
  private int clock;

  /** All sectors are zeros. */
  SectorModel(int sectors) {
    settled = new int[sectors];
    lastZeroing = new int[sectors];
  }

  int sectors() {
    return settled.length;
  }

  /** Sectors that are not settled. */
  int unsettled() {
    return histories.size();
  }

  // Changes

  /** A change is about to be sent. */
  Change begin(int first, int count, boolean isZero, boolean isTrim) {
    Change change = new Change(++clock, first, count, isZero, isTrim);
    for (int sector = first; sector < first + count; sector++) {
      historyOf(sector, change.version - 1).add(new Entry(change));
      if (isZero) {
        lastZeroing[sector] = change.version;
      }
    }
    return change;
  }

  /**
   * Settled content keeps no time of its answer. It counts as over only now: a read that was sent
   * earlier, perhaps before that answer, must not hide it.
   */
  private List<Entry> historyOf(int sector, int now) {
    List<Entry> history = histories.get(sector);
    if (history == null) {
      history = new ArrayList<>(2);
      int content = settled[sector];
      Change base = new Change(Math.abs(content), sector, 1, content <= 0, false);
      base.end = now;
      history.add(new Entry(base));
      histories.put(sector, history);
    }
    return history;
  }

  /**
   * A change was answered.
   *
   * @param isDone whether without an error; otherwise it may have happened or not, by sector
   * @param isDurable whether the answer means that it survives the loss of power
   */
  void end(Change change, boolean isDone, boolean isDurable) {
    change.end = ++clock;
    for (int sector = change.first; sector < change.first + change.count; sector++) {
      List<Entry> history = histories.get(sector);
      if (history != null) {
        if (isDone && change.isSureOf(sector)) {
          supersede(history, change, isDurable);
        }
        settle(sector, history);
      }
    }
  }

  private void supersede(List<Entry> history, Change by, boolean isDurable) {
    for (Iterator<Entry> all = history.iterator(); all.hasNext(); ) {
      Entry entry = all.next();
      if (entry.change.end < by.version) {
        if (isDurable) {
          all.remove();
        } else if (entry.hiddenAt == 0) {
          entry.hiddenAt = clock;
        }
      }
    }
  }

  private void settle(int sector, List<Entry> history) {
    if (history.size() == 1 && history.getFirst().change.end != UNDER_WAY) {
      settled[sector] = history.getFirst().change.content();
      histories.remove(sector);
    }
  }

  /** A flush is about to be sent. */
  int beginFlush() {
    return ++clock;
  }

  /** A flush was answered without an error: what was hidden before it was sent is gone for good. */
  void endFlush(int issued) {
    for (Iterator<Map.Entry<Integer, List<Entry>>> all = histories.entrySet().iterator();
        all.hasNext(); ) {
      Map.Entry<Integer, List<Entry>> one = all.next();
      List<Entry> history = one.getValue();
      history.removeIf(entry -> entry.hiddenAt != 0 && entry.hiddenAt < issued);
      if (history.size() == 1 && history.getFirst().change.end != UNDER_WAY) {
        settled[one.getKey()] = history.getFirst().change.content();
        all.remove();
      }
    }
  }

  /**
   * Everything that was under way is over, with an unknown outcome: the server is dead, or has
   * closed the connections.
   *
   * @param mayForget whether what was not flushed may be gone too: every copy lost its power
   */
  void crashed(boolean mayForget) {
    int now = ++clock;
    for (List<Entry> history : histories.values()) {
      for (Entry entry : history) {
        entry.change.end = Math.min(entry.change.end, now);
        if (mayForget) {
          entry.hiddenAt = 0;
        }
      }
    }
  }

  // Reads

  /** A read is about to be sent. */
  Sight beginRead(int first, int count) {
    int[] simple = new int[count];
    int[][] several = null;
    for (int i = 0; i < count; i++) {
      List<Entry> history = histories.get(first + i);
      if (history == null) {
        simple[i] = settled[first + i];
      } else {
        several = several == null ? new int[count][] : several;
        several[i] = visible(history);
      }
    }
    return new Sight(++clock, first, simple, several);
  }

  private static int[] visible(List<Entry> history) {
    return history.stream()
        .filter(entry -> entry.hiddenAt == 0)
        .mapToInt(entry -> entry.change.content())
        .toArray();
  }

  /**
   * What a read saw in one of its sectors; remembers it for the next read.
   *
   * @param version as {@link SectorContent} decodes it
   * @return null, or what it should have been
   */
  @Nullable String saw(Sight sight, int index, int version) {
    int sector = sight.first + index;
    int[] possible = sight.several == null ? null : sight.several[index];
    if (possible == null) {
      possible = new int[] {sight.settled[index]};
    }
    boolean isLater =
        version == SectorContent.ZEROS
            ? lastZeroing[sector] > sight.issued
            : version > sight.issued && version <= clock;
    if (!isLater && !isAmong(version, possible)) {
      return expected(possible);
    }
    List<Entry> history = histories.get(sector);
    if (history != null) {
      remember(history, sight, version);
    }
    return null;
  }

  private static boolean isAmong(int version, int[] possible) {
    for (int content : possible) {
      if (Math.max(content, SectorContent.ZEROS) == version) {
        return true;
      }
    }
    return false;
  }

  /** What was over before the read was sent, and is not what it saw, does not come back. */
  private void remember(List<Entry> history, Sight sight, int version) {
    for (Entry entry : history) {
      boolean isSeen = Math.max(entry.change.content(), SectorContent.ZEROS) == version;
      if (!isSeen && entry.hiddenAt == 0 && entry.change.end < sight.issued) {
        entry.hiddenAt = clock;
      }
    }
  }

  private static String expected(int[] possible) {
    StringBuilder text = new StringBuilder();
    for (int content : possible) {
      text.append(text.isEmpty() ? "" : " or ");
      text.append(content > 0 ? "version " + content : "zeros");
    }
    return text.toString();
  }
}
