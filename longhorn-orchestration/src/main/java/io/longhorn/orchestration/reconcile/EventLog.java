package io.longhorn.orchestration.reconcile;

import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.Event;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.orchestration.decision.Action;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.ClusterStore.Stored;
import java.util.ArrayDeque;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What people are told: a line in the log, and an event in the store, of which only the last are
 * kept. An event that cannot be stored waits until the store takes it. One thread.
 */
final class EventLog {
  private static final Logger LOG = LoggerFactory.getLogger(EventLog.class);

  private final ClusterStore store;
  private final int most;

  /** Those in the store, oldest first. */
  private final ArrayDeque<ObjectKey> stored = new ArrayDeque<>();

  /** Those not there yet; never more than are kept. */
  private final ArrayDeque<Event> waiting = new ArrayDeque<>();

  private long last;

  /** Goes on after the last event there is. */
  EventLog(ClusterStore store, int most) {
    this.store = store;
    this.most = most;
    for (Stored found : store.list(ObjectKind.EVENT)) {
      stored.add(found.object().key());
      last = Math.max(last, numberOf(found.object().name()));
    }
  }

  /** One that somebody else named otherwise has no number, and is kept and dropped as any other. */
  private static long numberOf(String name) {
    return name.matches("[0-9]{1,18}") ? Long.parseLong(name) : 0;
  }

  /** Tells. */
  void tell(Action.Tell tell, long nowMillis) {
    if (tell.isWarning()) {
      LOG.warn("{}: {}", tell.reason(), tell.message());
    } else {
      LOG.info("{}: {}", tell.reason(), tell.message());
    }
    if (waiting.size() >= most) {
      waiting.removeFirst();
    }
    waiting.add(
        new Event(
            name(++last),
            tell.isWarning(),
            tell.reason(),
            tell.message(),
            tell.about(),
            nowMillis));
    flush();
  }

  /** Stores what waits, as far as the store takes it: decisions do not wait for what is told. */
  void flush() {
    try {
      store();
    } catch (VolumeException e) {
      LOG.warn("{} events cannot be stored yet: {}", waiting.size(), e.getMessage());
    }
  }

  private void store() {
    while (!waiting.isEmpty()) {
      while (stored.size() >= most) {
        ObjectKey oldest = stored.getFirst();
        store.get(oldest).ifPresent(found -> store.delete(oldest, found.version()));
        stored.removeFirst();
      }
      Event event = waiting.getFirst();
      if (store.put(event, ClusterStore.ABSENT).isDone() || isThere(event)) {
        stored.add(event.key());
        waiting.removeFirst();
      } else {
        // Somebody else has the number.
        waiting.removeFirst();
        waiting.addFirst(renamed(event, name(++last)));
      }
    }
  }

  /** By a call whose answer was lost. */
  private boolean isThere(Event event) {
    return store.get(event.key()).map(Stored::object).filter(event::equals).isPresent();
  }

  private static Event renamed(Event event, String name) {
    return new Event(
        name, event.isWarning(), event.reason(), event.message(), event.about(), event.atMillis());
  }

  private static String name(long number) {
    return String.format(Locale.ROOT, "%012d", number);
  }
}
