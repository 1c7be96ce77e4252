package io.longhorn.orchestration;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.EngineImage;
import io.longhorn.api.cluster.Node;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.Volume;
import io.longhorn.orchestration.decision.Capability;
import io.longhorn.orchestration.decision.ClusterView;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.reconcile.StoredView;
import io.longhorn.orchestration.store.ClusterStore;
import io.longhorn.orchestration.store.Watch;
import java.time.Clock;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * What is asked for, one after the other: each is looked at against a view of what is stored, and
 * what it changes is stored only if that is still so; if somebody else was faster it is looked at
 * again. Any thread.
 */
final class Requests implements AutoCloseable {
  /** So often somebody else may be faster in a row. */
  private static final int MOST_TRIES = 100;

  private final Clock clock;
  private final Function<Remedy, String> words;
  private final Watch watch;

  // Guards the view.
  private final ReentrantLock lock = new ReentrantLock();
  private final StoredView stored;

  /**
   * Of a store.
   *
   * @param words what a person is to do, or empty
   */
  Requests(
      ClusterStore store,
      Set<Capability> capabilities,
      Clock clock,
      Function<Remedy, String> words) {
    this.clock = clock;
    this.words = words;
    watch = store.watch();
    stored = new StoredView(store, capabilities);
  }

  /** Somebody else was faster. */
  private static final class Overtaken extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** Looks at what is stored; nothing is kept of the view. */
  <T> T read(Function<ClusterView, T> look) {
    lock.lock();
    try {
      refresh();
      return look.apply(stored.view());
    } finally {
      lock.unlock();
    }
  }

  /** Checks and changes; a refusal is a {@link VolumeException}, thrown before the first change. */
  void run(Consumer<Draft> request) {
    lock.lock();
    try {
      for (int i = 0; i < MOST_TRIES; i++) {
        refresh();
        try {
          request.accept(new Draft(stored.view()));
          return;
        } catch (Overtaken _) {
          // The view has what is there now.
        }
      }
      throw new VolumeException(
          IoError.CONFLICT,
          "others changed the same " + MOST_TRIES + " times meanwhile; try again");
    } finally {
      lock.unlock();
    }
  }

  private void refresh() {
    stored.changed(watch.await(Duration.ZERO));
    stored.refresh();
    stored.view().takeDirty();
    stored.view().now(clock.millis());
  }

  /** Stores an object if it is still as it was seen; inside of {@link #run} only. */
  void put(ClusterObject object) {
    if (!stored.put(object)) {
      throw new Overtaken();
    }
  }

  /** Removes an object if it is still as it was seen; inside of {@link #run} only. */
  void remove(ObjectKey key) {
    if (!stored.remove(key)) {
      throw new Overtaken();
    }
  }

  /** A volume that there is, or a refusal. */
  Volume volume(Draft draft, String name) {
    return named(name)
        .flatMap(draft::volume)
        .orElseThrow(() ->
            refused(IoError.NOT_FOUND, "there is no volume " + name, new Remedy.SeeVolumes()));
  }

  /** A node that there is, or a refusal. */
  Node node(Draft draft, String name) {
    return named(name)
        .flatMap(draft::node)
        .orElseThrow(
            () -> refused(IoError.NOT_FOUND, "there is no node " + name, new Remedy.SeeNodes()));
  }

  /** An engine image that there is, or a refusal. */
  EngineImage image(Draft draft, String name) {
    return named(name)
        .flatMap(draft::image)
        .orElseThrow(() ->
            refused(IoError.NOT_FOUND, "there is no engine image " + name, new Remedy.SeeImages()));
  }

  /** A name that an object can have. */
  private static Optional<String> named(String name) {
    return name.isEmpty() || name.length() > ObjectKey.MAX_NAME_LENGTH
        ? Optional.empty()
        : Optional.of(name);
  }

  /** A refusal with what can be done about it. */
  VolumeException refused(IoError error, String why, Remedy remedy) {
    String what = words.apply(remedy);
    return new VolumeException(error, what.isEmpty() ? why : why + "; " + what);
  }

  /** A refusal about which nothing can be done but to ask for something else. */
  static VolumeException refused(IoError error, String why) {
    return new VolumeException(error, why);
  }

  @Override
  public void close() {
    watch.close();
  }
}
