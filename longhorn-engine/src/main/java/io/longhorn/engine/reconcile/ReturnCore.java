package io.longhorn.engine.reconcile;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.LayerList;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.SnapshotSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedMap;

/**
 * The way back of one replica that left the set and has promised this generation again. One object
 * per attempt: if its link breaks, or anything fails, the attempt is over and a later one begins
 * from the start (what was copied is compared again, not copied again).
 *
 * <ol>
 *   <li>May its marks be used? Everything it missed is marked on the members if their marks reach
 *       back to its leaving: {@code validSince <= leftAt} on every one of them, and what it has
 *       itself that others have not is marked on it, if its own reach back as far. Otherwise it
 *       stays out: it needs a rebuild.
 *   <li>It repeats the snapshots it missed, in the order of their operations. Its chain has to be a
 *       beginning of the members' chain.
 *   <li><b>From {@link ReturnEffect.Receive} on, every new write goes to it as well</b>, and every
 *       FLUSH, and their answers are waited for: before the marks of either side are read, and with
 *       its head equal to theirs. Writes that were sent before are marked ({@link
 *       IntentTracker#marks} is taken after that), so their regions are compared, under a lock that
 *       waits for them.
 *   <li>Regions marked on either side are compared layer by layer, from the layer that was the head
 *       when it was last equal, upward to the head; each chunk under its range lock. As fast as
 *       {@link ReturnEvent.Budget} allows.
 *   <li>The members' marks are merged into its own (it has to be able to bring back others), {@code
 *       validSince} set to what they have, then FLUSH (E7): now it is equal on its disk too. Then
 *       it is marked as equal, and {@link ReturnEffect.Join}.
 * </ol>
 *
 * <p>Not while anything is unreconciled: it begins after that, and if a range becomes unreconciled
 * meanwhile (a write failed everywhere) the attempt is over too, since that range will be made
 * equal among members only. While it runs no mark is cleared. A snapshot that is taken from Receive
 * on is taken on it too, or waits. Loop thread.
 */
public final class ReturnCore {
  /** Most copies under way at a time. */
  public static final int MAX_COPIES = 4;

  private enum Phase {
    NEW,
    READING_LAYERS,
    REPLAYING,
    STARTING,
    READING_BITS,
    COPYING,
    MERGING,
    VALIDATING,
    FLUSHING,
    MARKING,
    DONE,
    OUT
  }

  private final RegionMap regions;
  private final OptionalInt lastEqualHead;
  private final ReconcileRules rules;
  private final ReplicaInfo returned;
  private final Optional<String> unusable;
  private final RecordStamp memberValidSince;

  private Phase phase = Phase.NEW;
  private final List<ReturnEffect> out = new ArrayList<>();
  private List<LayerList.Layer> chain = List.of();
  private boolean isLayersLost;
  private int replaying;

  /** Id of the lowest layer that is compared; ids grow along a chain. 0: not known yet. */
  private int lowest;

  private RegionBits marks = new RegionBits(1);
  private RegionBits dirty = new RegionBits(1);

  // The pass over layers and regions.
  private final List<Integer> layers = new ArrayList<>();
  private final List<ReturnEffect.Copy> again = new ArrayList<>();
  private int layer;
  private int region;
  private long nextOffset;
  private boolean isCut;
  private int underWay;
  private long budgetBytes;
  private long doneBytes;
  private long totalBytes;

  /**
   * A return that has not begun.
   *
   * @param returned what the replica said in its promise
   * @param members what each readable member of the committed set says now
   * @param record the committed record
   * @param lastEqualHead id of the layer that was the head when this engine last saw the replica
   *     leave the set; empty if it did not see that: then every layer is compared
   */
  public ReturnCore(
      RegionMap regions,
      ReplicaInfo returned,
      SortedMap<ReplicaId, ReplicaInfo> members,
      MembershipRecord record,
      OptionalInt lastEqualHead) {
    this(regions, returned, members, record, lastEqualHead, ReconcileRules.ALL);
  }

  ReturnCore(
      RegionMap regions,
      ReplicaInfo returned,
      SortedMap<ReplicaId, ReplicaInfo> members,
      MembershipRecord record,
      OptionalInt lastEqualHead,
      ReconcileRules rules) {
    this.regions = regions;
    this.lastEqualHead = lastEqualHead;
    this.rules = rules;
    this.returned = returned;
    RecordStamp since = RecordStamp.NONE;
    for (ReplicaInfo member : members.values()) {
      since = member.validSince().isNewerThan(since) ? member.validSince() : since;
    }
    memberValidSince = since;
    unusable = whyUnusable(regions, returned, since, record);
  }

  /** Why a replica cannot return by its marks; empty if it can. */
  private static Optional<String> whyUnusable(
      RegionMap regions, ReplicaInfo returned, RecordStamp since, MembershipRecord record) {
    RecordStamp leftAt = record.leftAt().get(returned.replica());
    if (leftAt == null) {
      return Optional.of("needs a rebuild: it was never a member of this volume's set");
    }
    if (returned.sizeBytes() != regions.sizeBytes()
        || returned.regionBytes() != regions.regionBytes()) {
      return Optional.of(
          "needs a rebuild: it has "
              + returned.sizeBytes()
              + " bytes in regions of "
              + returned.regionBytes()
              + ", the members have "
              + regions.sizeBytes()
              + " in regions of "
              + regions.regionBytes());
    }
    if (since.isNewerThan(leftAt)) {
      return Optional.of(
          "needs a rebuild: it left with record "
              + leftAt
              + ", and the members know what was written only since record "
              + since);
    }
    if (returned.validSince().isNewerThan(leftAt)) {
      return Optional.of(
          "needs a rebuild: it left with record "
              + leftAt
              + ", and its own marks are complete only since record "
              + returned.validSince());
    }
    return Optional.empty();
  }

  /** Takes one event; returns what is to be done, in order. */
  public List<ReturnEffect> step(ReturnEvent event) {
    out.clear();
    switch (event) {
      case ReturnEvent.Began _ -> began();
      case ReturnEvent.LayersRead(LayerList member, LayerList own) -> layersRead(member, own);
      case ReturnEvent.LayersLost _ -> isLayersLost = true;
      case ReturnEvent.Replayed _ -> replayed();
      case ReturnEvent.Receiving(RegionBits found, int head) -> receiving(found, head);
      case ReturnEvent.BitsRead(RegionBits own) -> bitsRead(own);
      case ReturnEvent.Budget(long bytes) -> {
        budgetBytes = bytes;
        readLayersAgain();
        copyMore();
      }
      case ReturnEvent.Copied _ -> {
        underWay--;
        copyMore();
      }
      case ReturnEvent.CopyFailed(ReturnEffect.Copy copy) -> {
        underWay--;
        again.add(copy);
      }
      case ReturnEvent.Merged _ -> next(Phase.MERGING, Phase.VALIDATING);
      case ReturnEvent.ValidSinceStored _ ->
          next(Phase.VALIDATING, rules.flushOnReturn() ? Phase.FLUSHING : Phase.MARKING);
      case ReturnEvent.Flushed _ -> next(Phase.FLUSHING, Phase.MARKING);
      case ReturnEvent.Marked _ -> next(Phase.MARKING, Phase.DONE);
    }
    return List.copyOf(out);
  }

  /** Share of the comparing that is done, 0 to 1000. */
  public int progressPermille() {
    return switch (phase) {
      case NEW, READING_LAYERS, REPLAYING, STARTING, READING_BITS, OUT -> 0;
      case COPYING -> (int) (totalBytes == 0 ? 1000 : doneBytes * 1000 / totalBytes);
      case MERGING, VALIDATING, FLUSHING, MARKING, DONE -> 1000;
    };
  }

  /** Bytes to compare in all, once the marks are known. */
  public long totalBytes() {
    return totalBytes;
  }

  /** Bytes still to compare; for an estimate of the time. */
  public long remainingBytes() {
    return totalBytes - doneBytes;
  }

  /** Whether new writes go to it: from Receive until the end. */
  public boolean isReceiving() {
    return switch (phase) {
      case NEW, READING_LAYERS, REPLAYING, STARTING, OUT -> false;
      case READING_BITS, COPYING, MERGING, VALIDATING, FLUSHING, MARKING, DONE -> true;
    };
  }

  private void began() {
    if (unusable.isPresent()) {
      stayOut(unusable.get());
    } else if (phase == Phase.NEW) {
      phase = Phase.READING_LAYERS;
      out.add(new ReturnEffect.ReadLayers());
    }
  }

  private void readLayersAgain() {
    if (isLayersLost && phase == Phase.READING_LAYERS) {
      isLayersLost = false;
      out.add(new ReturnEffect.ReadLayers());
    }
  }

  private void layersRead(LayerList member, LayerList own) {
    if (phase != Phase.READING_LAYERS) {
      return;
    }
    chain = member.layers();
    List<LayerList.Layer> mine = own.layers();
    boolean isBeginning = !mine.isEmpty() && mine.size() <= chain.size();
    for (int i = 0; isBeginning && i < mine.size(); i++) {
      boolean isHead = i == mine.size() - 1;
      isBeginning =
          mine.get(i).id() == chain.get(i).id()
              && (isHead || mine.get(i).sealedBy() == chain.get(i).sealedBy());
    }
    if (!isBeginning) {
      stayOut(
          "needs a rebuild: its chain of snapshots is not a beginning of the members': "
              + ids(mine)
              + ", they have "
              + ids(chain));
      return;
    }
    if (lowest == 0) {
      // Its head tells only if this is its first attempt: one that broke off may have repeated
      // snapshots, and what was its head then was never made equal.
      lowest = Math.min(mine.getLast().id(), lastEqualHead.orElse(chain.getFirst().id()));
    }
    replaying = mine.size() - 1;
    phase = Phase.REPLAYING;
    replayNext();
  }

  private void replayed() {
    if (phase == Phase.REPLAYING) {
      replaying++;
      replayNext();
    }
  }

  private void replayNext() {
    if (replaying == chain.size() - 1) {
      phase = Phase.STARTING;
      out.add(new ReturnEffect.Receive());
      return;
    }
    LayerList.Layer sealed = chain.get(replaying);
    out.add(
        new ReturnEffect.ReplaySnapshot(
            sealed.sealedBy(),
            new SnapshotSpec(
                sealed.snapshot(),
                chain.get(replaying + 1).id(),
                sealed.createdMillis(),
                sealed.isUserCreated())));
  }

  private void receiving(RegionBits found, int head) {
    if (phase != Phase.STARTING) {
      return;
    }
    if (head != chain.getLast().id()) {
      // A snapshot was taken since the chains were read: repeat that one too.
      phase = Phase.READING_LAYERS;
      out.add(new ReturnEffect.ReadLayers());
      return;
    }
    for (LayerList.Layer each : chain) {
      if (each.id() >= lowest) {
        layers.add(each.id());
      }
    }
    marks = found;
    phase = Phase.READING_BITS;
    out.add(new ReturnEffect.ReadBits());
  }

  private void bitsRead(RegionBits own) {
    if (phase != Phase.READING_BITS) {
      return;
    }
    dirty = new RegionBits(marks);
    dirty.or(own);
    long perLayer = 0;
    for (int i = dirty.nextSet(0); i >= 0; i = dirty.nextSet(i + 1)) {
      perLayer += regions.lengthOf(i);
    }
    totalBytes = perLayer * layers.size();
    layer = 0;
    region = dirty.nextSet(0);
    nextOffset = region < 0 ? 0 : regions.offsetOf(region);
    isCut = region < 0;
    phase = Phase.COPYING;
    copyMore();
  }

  private void copyMore() {
    if (phase != Phase.COPYING) {
      return;
    }
    while (underWay < MAX_COPIES && budgetBytes > 0 && (!again.isEmpty() || !isCut)) {
      ReturnEffect.Copy copy = again.isEmpty() ? cut() : again.removeFirst();
      budgetBytes -= copy.length();
      underWay++;
      out.add(copy);
    }
    if (isCut && again.isEmpty() && underWay == 0) {
      doneBytes = totalBytes;
      phase = Phase.MERGING;
      out.add(new ReturnEffect.MergeBits(new RegionBits(marks)));
    }
  }

  private ReturnEffect.Copy cut() {
    long end = regions.offsetOf(region) + regions.lengthOf(region);
    long boundary = (nextOffset / ReconcileCore.CHUNK_BYTES + 1) * ReconcileCore.CHUNK_BYTES;
    int length = (int) (Math.min(end, boundary) - nextOffset);
    ReturnEffect.Copy copy = new ReturnEffect.Copy(layers.get(layer), nextOffset, length);
    nextOffset += length;
    doneBytes += length;
    if (nextOffset == end) {
      region = dirty.nextSet(region + 1);
      if (region < 0 && layer + 1 < layers.size()) {
        layer++;
        region = dirty.nextSet(0);
      }
      isCut = region < 0;
      nextOffset = isCut ? 0 : regions.offsetOf(region);
    }
    return copy;
  }

  private void next(Phase from, Phase to) {
    if (phase != from) {
      return;
    }
    phase = to;
    switch (to) {
      case VALIDATING -> out.add(new ReturnEffect.SetValidSince(memberValidSince));
      case FLUSHING -> out.add(new ReturnEffect.Flush());
      case MARKING -> out.add(new ReturnEffect.MarkEqual());
      case DONE -> out.add(new ReturnEffect.Join());
      case NEW, READING_LAYERS, REPLAYING, STARTING, READING_BITS, COPYING, MERGING, OUT ->
          throw new IllegalStateException("no such step: " + to);
    }
  }

  private void stayOut(String why) {
    phase = Phase.OUT;
    out.add(new ReturnEffect.StayOut(why));
  }

  private static List<Integer> ids(List<LayerList.Layer> of) {
    return of.stream().map(LayerList.Layer::id).toList();
  }

  /** What the replica said when it promised. */
  public ReplicaInfo returned() {
    return returned;
  }
}
