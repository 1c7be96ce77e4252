package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.VolumeRecordCodec;
import io.longhorn.api.wire.VolumeRecordCodec.Stored;
import io.longhorn.engine.claim.ClaimEvent;
import io.longhorn.orchestration.sim.world.SimScheduler;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** An engine's end of what connects it to the store: its calls, and what it knows of the record. */
final class StorePort {
  private static final long TIMEOUT_NANOS = 1_000 * SimScheduler.MILLI;

  private final SimEngine engine;
  private final VolumeId volume;
  private @Nullable VolumeRecord known;

  StorePort(SimEngine engine, VolumeId volume) {
    this.engine = engine;
    this.volume = volume;
  }

  /** The record as this engine saw it last. */
  Optional<VolumeRecord> known() {
    return Optional.ofNullable(known);
  }

  /** For the core. */
  void read(long call) {
    get(
        stored -> engine.tell(now -> new ClaimEvent.StoreRead(now, call, stored)),
        () -> engine.tell(now -> new ClaimEvent.StoreUnreachable(now, call)));
  }

  /** For the core. */
  void set(long call, long expected, VolumeRecord record) {
    put(
        expected,
        record,
        (isDone, stored) ->
            engine.tell(now ->
                isDone
                    ? new ClaimEvent.StoreSet(now, call, stored.revision())
                    : new ClaimEvent.StoreConflict(now, call, stored)),
        () -> engine.tell(now -> new ClaimEvent.StoreUnreachable(now, call)));
  }

  /** Looks at the record; nothing is said if it cannot be read. */
  void look(Consumer<VolumeRecord> then) {
    get(stored -> stored.record().ifPresent(then), () -> {});
  }

  /**
   * Changes the record, unless there is nothing to change; once more if somebody else was faster.
   *
   * @param whenKnown told of the record as it is then
   */
  void change(UnaryOperator<VolumeRecord> how, Consumer<VolumeRecord> whenKnown) {
    get(
        stored -> {
          if (stored.record().isEmpty()) {
            return;
          }
          VolumeRecord before = stored.record().get();
          VolumeRecord after = how.apply(before);
          if (after.equals(before)) {
            whenKnown.accept(before);
            return;
          }
          put(
              stored.revision(),
              after,
              (isDone, now) -> {
                if (isDone) {
                  whenKnown.accept(after);
                } else {
                  change(how, whenKnown);
                }
              },
              () -> engine.after(TIMEOUT_NANOS, () -> change(how, whenKnown)));
        },
        () -> engine.after(TIMEOUT_NANOS, () -> change(how, whenKnown)));
  }

  private void get(Consumer<Stored> then, Runnable otherwise) {
    call(
        SimFrame.ask(
            FrameType.RECORD_GET,
            0,
            engine.nextSequence(),
            new VolumeRecordCodec.Query(volume).write()),
        frame -> then.accept(Stored.read(frame.fields())),
        otherwise);
  }

  private void put(
      long expected, VolumeRecord record, BiConsumer<Boolean, Stored> then, Runnable otherwise) {
    call(
        SimFrame.ask(
            FrameType.RECORD_SET,
            0,
            engine.nextSequence(),
            new VolumeRecordCodec.Change(volume, expected, record).write()),
        frame -> then.accept(frame.status() != IoError.CONFLICT, Stored.read(frame.fields())),
        otherwise);
  }

  /** One call: answered once, or not in time. */
  private void call(SimFrame request, Consumer<SimFrame> then, Runnable otherwise) {
    boolean[] isOver = new boolean[1];
    SimScheduler.Timer timeout =
        engine.inBackground(
            TIMEOUT_NANOS,
            () -> {
              isOver[0] = true;
              otherwise.run();
            });
    engine
        .world
        .records()
        .call(
            engine.node(),
            request.encode(),
            bytes ->
                engine.after(
                    0,
                    () -> {
                      if (!isOver[0]) {
                        isOver[0] = true;
                        engine.world.scheduler.cancel(timeout);
                        answered(SimFrame.decode(bytes), then, otherwise);
                      }
                    }));
  }

  private void answered(SimFrame frame, Consumer<SimFrame> then, Runnable otherwise) {
    if (!frame.status().isOk() && frame.status() != IoError.CONFLICT) {
      otherwise.run();
      return;
    }
    Stored.read(frame.fields())
        .record()
        .ifPresent(record -> {
          if (!record.equals(known)) {
            known = record;
            engine.reportDue();
          }
        });
    then.accept(frame);
  }
}
