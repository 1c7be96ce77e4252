package io.longhorn.engine.membership;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.engine.membership.MembershipEffect.AskPromise;
import io.longhorn.engine.membership.MembershipEffect.Disconnect;
import io.longhorn.engine.membership.MembershipEffect.ForceReport;
import io.longhorn.engine.membership.MembershipEffect.Forced;
import io.longhorn.engine.membership.MembershipEffect.Held;
import io.longhorn.engine.membership.MembershipEffect.InForceChanged;
import io.longhorn.engine.membership.MembershipEffect.Joined;
import io.longhorn.engine.membership.MembershipEffect.Left;
import io.longhorn.engine.membership.MembershipEffect.MayReturn;
import io.longhorn.engine.membership.MembershipEffect.Opened;
import io.longhorn.engine.membership.MembershipEffect.Serve;
import io.longhorn.engine.membership.MembershipEffect.StaysOut;
import io.longhorn.engine.membership.MembershipEvent.Fenced;
import io.longhorn.engine.membership.MembershipEvent.ForceWanted;
import io.longhorn.engine.membership.MembershipEvent.JoinWanted;
import io.longhorn.engine.membership.MembershipEvent.LinkBroke;
import io.longhorn.engine.membership.MembershipEvent.OfStore;
import io.longhorn.engine.membership.MembershipEvent.PromiseRefused;
import io.longhorn.engine.membership.MembershipEvent.Promised;
import io.longhorn.engine.membership.MembershipEvent.RecordStored;
import io.longhorn.engine.membership.MembershipEvent.ReopenWanted;
import io.longhorn.engine.membership.MembershipEvent.ReplicaAnswered;
import io.longhorn.engine.membership.MembershipEvent.Suspected;
import io.longhorn.engine.membership.MembershipEvent.Tick;
import io.longhorn.engine.membership.MembershipEvent.Unsuspected;
import io.longhorn.engine.membership.Peers.Link;
import io.longhorn.engine.membership.Peers.Peer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One engine's part in the membership of its volume: opening, changing the in-sync set, and giving
 * way. The loop that owns the volume tells it {@link MembershipEvent}s and carries out the {@link
 * MembershipEffect}s in order. Where the record is kept, and what follows from that, is {@link
 * RecordKeeper}'s; below is what happens with authority {@link Authority.Replicas}, then what is
 * different with {@link Authority.Store}.
 *
 * <p><b>Opening.</b> Replicas that answer HELLO are collected until all configured ones, or all of
 * the newest set they speak of, are there, or {@link MembershipTiming#graceNanos} after the first.
 * If they can be enough (a guess from HELLO, so that a hopeless opener fences nobody), each is
 * asked to promise a generation above every one seen. Only the records inside the promises count
 * (R2); newest is highest (generation, number) (R3); more than half of the newest set must have
 * promised (R4, and R9 in {@link OpenRule}); then the record {generation, n + 1, those members} is
 * made durable on all of them, and only then is the volume {@link Opened}. If a member fails
 * meanwhile, or somebody promised to another, it begins again with a higher generation.
 *
 * <p>A replica that has promised less than the generation of a record that names it is an old copy
 * of itself (somebody put its directory back): a member promises before the record that names it
 * exists. It is not asked, counts nowhere and stays out, as long as somebody who knows that record
 * answers.
 *
 * <p><b>When it may serve.</b> Another engine may still be answering reads, by its {@link
 * ReadWindow}, because it does not know yet. {@link Serve} therefore comes {@link
 * ReadWindow#WAIT_NANOS} after the last promise that counted: a member of every set the other one
 * could have in force is among those that promised, and answers it no more. There is nothing to
 * wait for
 *
 * <ul>
 *   <li>if every configured replica promised: no read of the other engine is answered by anybody;
 *   <li>if the newest record found has generation 0: whoever serves has made a record of its own
 *       durable before (R4), and would have been found;
 *   <li>if the newest record found is of generation G and a replica says that G was released: the
 *       engine G serves no more by its own word, no engine above G has a durable record, and G had
 *       waited out those below. That last step is why <b>an engine sends RELEASE only after {@link
 *       Serve}</b>, after its last answer, with no write under way and no range unreconciled;
 *   <li>if nobody but this engine has made a record since it served itself: then what is left of
 *       its own waiting is enough.
 * </ul>
 *
 * <p><b>Changes.</b> A member whose link broke has left (E2); a suspected one is to leave. The set
 * without them is proposed if it has at least half of the committed set and of every undecided one
 * (R6); it is durable when all it names have stored it (R5). Until then acknowledgements need the
 * members of all sets in force (R7): {@link #requiredMask}. A shrink supersedes a growth or a
 * shrink under way; a growth waits until nothing is under way. An acknowledgement counts only from
 * a member whose link has not broken since (E2): the caller voids what is pending when it reports
 * {@link LinkBroke}.
 *
 * <p><b>Held.</b> If no set is legal the generation is given up ({@link Held}) and the core looks
 * for members again, to open with a higher one. It does so by itself, since nobody asked for
 * another engine; but if a replica meanwhile promised to another engine it gives way ({@link
 * MembershipEffect.Deposed}) instead of taking the volume back.
 *
 * <p><b>With the store.</b> The store's record is the newest there is; if a replica has a newer one
 * the store is an old copy, and nothing is opened. A generation is taken by compare-and-set before
 * any replica is asked to promise it. One member of the record's set is enough to open: those that
 * promised by the end of the grace are the new set, by compare-and-set, then on their disks. Any
 * set that is not empty may follow. A set is durable when its compare-and-set succeeded; while that
 * is unknown both are in force. If the store does not answer while all members do, nothing happens;
 * if a change is needed, what waits for it waits. Whoever finds that another engine has taken a
 * generation gives way as it does to promises.
 *
 * <p>Loop thread. Never throws for what a replica or the network does. Not for the data path,
 * except the masks, which are fields.
 */
public final class MembershipCore {
  private enum Phase {
    LOOKING,
    RESERVING,
    PROMISING,
    COMMITTING,
    OPEN,
    DEPOSED
  }

  private final List<ReplicaId> configured;
  private final Peers peers;
  private final RecordKeeper keeper;
  private final MembershipTiming timing;
  private final RuleSet rules;

  private Phase phase = Phase.LOOKING;
  private String why = "no replica answers yet";
  private long nowNanos;
  private List<MembershipEffect> out = new ArrayList<>();

  // Looking and promising.
  private long generation;
  private long highestSeen;
  private long highestAsked;
  private boolean isForced;

  /** By force a refusal was passed over: that is to be said, also if nothing refuses any more. */
  private boolean hasPassedOver;

  private boolean hasFirstAnswer;
  private long pauseUntilNanos;
  private long graceUntilNanos;
  private long membersGraceUntilNanos;
  private long refreshAtNanos;

  private OpenRule.Verdict.@Nullable Opens decision;

  // Open.
  private @Nullable SetsInForce sets;
  private long lastNumber;
  private boolean isServing;
  private long serveAtNanos;

  // Own past, to know whether somebody else served in between.
  private boolean mayTakeOver = true;
  private boolean hasBeenOpen;
  private boolean isUnbroken;
  private final SortedSet<Long> ownRecordGenerations = new TreeSet<>();
  private boolean isCleanOpening;
  private long deposedBy;

  private int requiredMask;
  private int readableMask;
  private int targetMask;

  /**
   * A core that looks for replicas.
   *
   * @param configured every replica of the volume, 1 to 8, each once; indices of masks are those of
   *     this list
   */
  public MembershipCore(List<ReplicaId> configured, Authority authority, MembershipTiming timing) {
    this(configured, authority, timing, RuleSet.ALL);
  }

  MembershipCore(
      List<ReplicaId> configured, Authority authority, MembershipTiming timing, RuleSet rules) {
    peers = new Peers(configured);
    this.configured = peers.configured();
    this.timing = timing;
    this.rules = rules;
    keeper =
        switch (authority) {
          case Authority.Replicas _ -> new KeptByReplicas(peers, rules);
          case Authority.Store(EngineId engine) -> new KeptByStore(engine, peers, timing, rules);
        };
  }

  // ---- what others read ----------------------------------------------------------------------

  /**
   * Members of all sets in force (R7), by index: an acknowledgement needs every one of them, the
   * read window too. 0 when not open.
   */
  public int requiredMask() {
    return requiredMask;
  }

  /**
   * Members that may be a source of data (I7): of the committed set, with a link of this session,
   * preferring ones that are not suspected. 0 when not open.
   */
  public int readableMask() {
    return readableMask;
  }

  /**
   * Members of any set in force that have a link of this session: where writes and flushes go.
   * Replicas that are being made equal are the caller's to add.
   */
  public int targetMask() {
    return targetMask;
  }

  /** Members of all sets in force; empty when not open. */
  public SortedSet<ReplicaId> requiredMembers() {
    SetsInForce inForce = sets;
    return inForce == null ? new TreeSet<>() : inForce.required(rules);
  }

  /** The members of {@link #readableMask}. */
  public SortedSet<ReplicaId> readableMembers() {
    SortedSet<ReplicaId> members = new TreeSet<>();
    for (int i = 0; i < configured.size(); i++) {
      if ((readableMask & 1 << i) != 0) {
        members.add(configured.get(i));
      }
    }
    return members;
  }

  /** Whether acknowledgements and answers to reads are allowed (the read window apart). */
  public boolean isServing() {
    return phase == Phase.OPEN && isServing;
  }

  /** The generation of the session, or of the last one while looking. */
  public long generation() {
    return generation;
  }

  /** The committed record, while open. */
  public Optional<MembershipRecord> record() {
    SetsInForce inForce = sets;
    return inForce == null ? Optional.empty() : Optional.of(inForce.committed());
  }

  /** Whether every configured replica is a member, linked, and nothing is under way (E6). */
  public boolean isComplete() {
    return phase == Phase.OPEN
        && keeper.underWay().isEmpty()
        && record()
            .filter(r -> r.leftAt().isEmpty() && r.members().containsAll(configured))
            .isPresent()
        && targetMask == (1 << configured.size()) - 1;
  }

  /** Place in the configured list; -1 if not configured. */
  public int indexOf(ReplicaId replica) {
    return configured.indexOf(replica);
  }

  /** Earliest time at which a {@link Tick} may change something; {@link Long#MAX_VALUE} = never. */
  public long nextWakeNanos() {
    return Math.min(phaseWakeNanos(), keeper.nextWakeNanos());
  }

  private long phaseWakeNanos() {
    return switch (phase) {
      case LOOKING -> {
        boolean isPaused = nowNanos - pauseUntilNanos < 0;
        yield isPaused
            ? pauseUntilNanos
            : hasFirstAnswer ? Math.min(graceUntilNanos, refreshAtNanos) : Long.MAX_VALUE;
      }
      case PROMISING ->
          nowNanos - membersGraceUntilNanos < 0 ? membersGraceUntilNanos : graceUntilNanos;
      case RESERVING, COMMITTING -> refreshAtNanos;
      case OPEN -> isServing ? Long.MAX_VALUE : serveAtNanos;
      case DEPOSED -> Long.MAX_VALUE;
    };
  }

  /**
   * Why the store can neither be read nor told anything at present, for a person; empty if it can,
   * or nothing was asked of it, or there is none.
   */
  public String storeTrouble() {
    return keeper.trouble();
  }

  /** For status. */
  public MembershipState state() {
    return switch (phase) {
      case LOOKING -> new MembershipState.Looking(hasBeenOpen, peers.with(Link.GREETED), why);
      case RESERVING, PROMISING, COMMITTING ->
          new MembershipState.Opening(generation, hasBeenOpen, peers.with(Link.OURS));
      case OPEN ->
          new MembershipState.Open(
              generation,
              inForce().committed(),
              isServing,
              requiredMembers(),
              keeper.underWay().isPresent());
      case DEPOSED -> new MembershipState.Deposed(deposedBy);
    };
  }

  // ---- events --------------------------------------------------------------------------------

  /** Takes one event; returns what is to be done, in order. */
  public List<MembershipEffect> step(MembershipEvent event) {
    nowNanos = event.nowNanos();
    out = new ArrayList<>();
    if (phase != Phase.DEPOSED) {
      take(event);
      advance();
      if (phase != Phase.DEPOSED) {
        keeper.turn(nowNanos, out);
      }
      publish();
    }
    return out;
  }

  private void take(MembershipEvent event) {
    switch (event) {
      case Tick _ -> {}
      case ReplicaAnswered(_, ReplicaId id, ReplicaInfo info) -> answered(peer(id), info);
      case Promised(_, ReplicaId id, long asked, ReplicaInfo info) ->
          promised(peer(id), asked, info);
      case PromiseRefused(_, ReplicaId id, long asked, long there) ->
          refused(peer(id), asked, there);
      case RecordStored(_, ReplicaId id, RecordStamp stamp) -> keeper.stored(peer(id).id, stamp);
      case OfStore answer -> {
        keeper.take(answer, out);
        keeper.loss().ifPresent(this::lost);
      }
      case LinkBroke(_, ReplicaId id) -> broke(peer(id));
      case Suspected(_, ReplicaId id) -> suspected(peer(id), true);
      case Unsuspected(_, ReplicaId id) -> suspected(peer(id), false);
      case Fenced(_, ReplicaId id, long by) -> fenced(peer(id), by);
      case JoinWanted(_, ReplicaId id) -> joinWanted(peer(id));
      case ForceWanted _ -> isForced = isForced || phase != Phase.OPEN;
      case ReopenWanted _ -> {
        if (phase == Phase.OPEN) {
          mayTakeOver = true;
          hold(new TreeSet<>(), "asked to open again with a higher generation");
        }
      }
    }
  }

  private void answered(Peer peer, ReplicaInfo info) {
    peer.greeted(info);
    highestSeen =
        Math.max(highestSeen, Math.max(info.promised(), info.record().stamp().generation()));
    if (!mayTakeOver && phase != Phase.OPEN && info.promised() > highestAsked) {
      depose(info.promised());
      return;
    }
    if (!hasFirstAnswer) {
      hasFirstAnswer = true;
      graceUntilNanos = nowNanos + timing.graceNanos();
      refreshAtNanos = nowNanos + timing.refreshNanos();
    }
    if (phase == Phase.PROMISING || phase == Phase.RESERVING) {
      if (info.promised() > generation) {
        again("another engine has promises of generation " + info.promised(), true);
      } else if (phase == Phase.PROMISING && isCurrent(peer)) {
        ask(peer);
      }
    }
  }

  private void promised(Peer peer, long asked, ReplicaInfo info) {
    if (asked != generation || peer.link != Link.ASKED) {
      return;
    }
    peer.promised(info);
    long recorded = info.record().stamp().generation();
    if (phase == Phase.PROMISING && recorded > generation) {
      // Cannot be, of a replica that keeps its promises; go above it all the same.
      highestSeen = Math.max(highestSeen, recorded);
      again("replica " + peer.id + " has a record of generation " + recorded, true);
    } else if (phase == Phase.OPEN) {
      out.add(new MayReturn(peer.id, info));
    }
  }

  private void refused(Peer peer, long asked, long there) {
    highestSeen = Math.max(highestSeen, there);
    if (asked != generation || peer.link != Link.ASKED) {
      return;
    }
    peer.link = Link.GREETED;
    if (phase == Phase.OPEN) {
      out.add(new StaysOut(peer.id, promisedElsewhere(there)));
    } else if (mayTakeOver) {
      again(promisedElsewhere(there), true);
    } else {
      depose(there);
    }
  }

  /** The record went on without this session. */
  private void lost(RecordKeeper.Loss loss) {
    highestSeen = Math.max(highestSeen, loss.byGeneration());
    if (loss.byGeneration() > 0 && !mayTakeOver) {
      depose(loss.byGeneration());
    } else if (phase == Phase.OPEN) {
      hold(new TreeSet<>(), loss.why());
    } else {
      again(loss.why(), loss.byGeneration() > 0);
    }
  }

  private void broke(Peer peer) {
    boolean wasOurs = peer.link == Link.OURS;
    peer.down();
    OpenRule.Verdict.Opens decided = decision;
    if (wasOurs && decided != null && decided.members().contains(peer.id)) {
      again("member " + peer.id + " failed while the volume was being opened", false);
    }
  }

  private void suspected(Peer peer, boolean isSuspected) {
    peer.isSuspected = isSuspected && peer.link == Link.OURS;
  }

  private void fenced(Peer peer, long by) {
    highestSeen = Math.max(highestSeen, by);
    if (peer.link != Link.OURS) {
      return;
    }
    if (mayTakeOver) {
      again(promisedElsewhere(by), true);
    } else {
      depose(by);
    }
  }

  private void joinWanted(Peer peer) {
    peer.wantsToJoin = phase == Phase.OPEN && peer.link == Link.OURS;
  }

  // ---- progress ------------------------------------------------------------------------------

  private void advance() {
    Phase before;
    int turns = 0;
    do {
      before = phase;
      advanceOnce();
    } while (phase != before && ++turns < Phase.values().length);
  }

  private void advanceOnce() {
    if (phase == Phase.LOOKING) {
      look();
    }
    if (phase == Phase.RESERVING) {
      reserved();
    }
    if (phase == Phase.PROMISING) {
      promise();
    }
    if (phase == Phase.COMMITTING) {
      commit();
    }
    if (phase == Phase.OPEN) {
      settle();
      if (phase == Phase.OPEN) {
        change();
      }
      invite();
      if (phase == Phase.OPEN && !isServing && nowNanos - serveAtNanos >= 0) {
        isServing = true;
        out.add(new Serve());
      }
    }
  }

  /** LOOKING: enough answers to ask for promises? */
  private void look() {
    SortedSet<ReplicaId> greeted = peers.with(Link.GREETED);
    greeted.removeIf(id -> !isCurrent(peer(id)));
    if (greeted.isEmpty()) {
      why = "no replica answers";
      hasFirstAnswer = false;
      return;
    }
    if (nowNanos - pauseUntilNanos < 0) {
      return;
    }
    Optional<String> lack = keeper.lacks();
    if (lack.isPresent()) {
      why = lack.get();
      return;
    }
    if (!mayTakeOver && keeper.takenByAnother() > highestAsked) {
      depose(keeper.takenByAnother());
      return;
    }
    SortedMap<ReplicaId, MembershipRecord> told = new TreeMap<>();
    for (ReplicaId id : greeted) {
      told.put(id, peer(id).hello().record());
    }
    OpenRule.Verdict guess = keeper.judge(told);
    boolean isEnough =
        isForced
            || switch (guess) {
              case OpenRule.Verdict.Opens _ -> true;
              case OpenRule.Verdict.Waits waits -> {
                why = tooFew(waits);
                yield false;
              }
              case OpenRule.Verdict.Refuses refuses -> {
                why = refuses.why();
                yield false;
              }
            };
    boolean isAll =
        greeted.size() == configured.size() || greeted.containsAll(guess.newest().members());
    if (isEnough && (isAll || nowNanos - graceUntilNanos >= 0)) {
      highestSeen = Math.max(highestSeen, keeper.highestTaken());
      generation = Math.max(highestSeen, highestAsked) + 1;
      highestAsked = generation;
      hasPassedOver = guess instanceof OpenRule.Verdict.Refuses;
      phase = Phase.RESERVING;
      refreshAtNanos = nowNanos + timing.refreshNanos();
      keeper.reserve(generation, guess.newest());
    } else if (nowNanos - refreshAtNanos >= 0) {
      greeted.forEach(id -> disconnect(peer(id), "asking again: " + why));
      hasFirstAnswer = false;
    } else if (isEnough) {
      why = "waiting a little for the other members";
    }
  }

  /** RESERVING: is the generation ours to be asked for? */
  private void reserved() {
    if (keeper.isReserved()) {
      phase = Phase.PROMISING;
      membersGraceUntilNanos = graceUntilNanos;
      graceUntilNanos = nowNanos + timing.graceNanos();
      refreshAtNanos = graceUntilNanos + timing.refreshNanos();
      for (ReplicaId id : peers.with(Link.GREETED)) {
        if (isCurrent(peer(id))) {
          ask(peer(id));
        }
      }
    } else if (nowNanos - refreshAtNanos >= 0) {
      again("no generation could be taken: " + keeper.trouble(), false);
    }
  }

  /** PROMISING: enough promises to decide? */
  private void promise() {
    SortedMap<ReplicaId, MembershipRecord> found = new TreeMap<>();
    for (ReplicaId id : peers.with(Link.OURS)) {
      Peer peer = peer(id);
      ReplicaInfo said = rules.recordFromPromise() ? peer.promise() : peer.hello();
      found.put(id, said.record());
    }
    boolean isLate = nowNanos - graceUntilNanos >= 0;
    if (!found.isEmpty()) {
      OpenRule.Verdict verdict = keeper.judge(found);
      boolean isAllThere =
          isLate || (peers.with(Link.ASKED).isEmpty() && nowNanos - membersGraceUntilNanos >= 0);
      switch (verdict) {
        case OpenRule.Verdict.Opens opens -> {
          if (isAllThere
              || found.size() == configured.size()
              || opens.members().equals(opens.newest().members())) {
            if (hasPassedOver) {
              force(opens.newest());
            } else {
              decide(opens, false);
            }
            return;
          }
        }
        case OpenRule.Verdict.Waits waits -> {
          why = tooFew(waits);
          if (isForced && (isLate || peers.with(Link.ASKED).isEmpty())) {
            force(waits.newest());
            return;
          }
        }
        case OpenRule.Verdict.Refuses refuses -> {
          why = refuses.why();
          if (!isForced) {
            again(why, false);
            return;
          }
          if (isLate || peers.with(Link.ASKED).isEmpty()) {
            force(refuses.newest());
            return;
          }
        }
      }
    }
    if (nowNanos - refreshAtNanos >= 0 || peers.with(Link.DOWN).size() == configured.size()) {
      again("not enough promises: " + why, false);
    }
  }

  private void force(MembershipRecord newest) {
    SortedSet<ReplicaId> members = peers.with(Link.OURS);
    members.retainAll(newest.members());
    if (members.isEmpty()) {
      members = peers.with(Link.OURS);
    }
    SortedSet<ReplicaId> missing = new TreeSet<>(newest.members());
    missing.removeAll(members);
    out.add(
        new Forced(
            new ForceReport(
                newest,
                Collections.unmodifiableSortedSet(members),
                Collections.unmodifiableSortedSet(missing),
                "opened by force with "
                    + members
                    + " of the newest set found "
                    + newest.members()
                    + " "
                    + newest.stamp()
                    + (missing.isEmpty()
                        ? "; "
                        : "; what was acknowledged and is only on " + missing + " is lost; ")
                    + "a newer set that left these members out may be hiding on replicas that do not"
                    + " answer: then everything it acknowledged is lost too")));
    decide(new OpenRule.Verdict.Opens(newest, members, new TreeSet<>()), true);
  }

  private void decide(OpenRule.Verdict.Opens opens, boolean byForce) {
    decision = opens;
    isForced = false;
    MembershipRecord newest = opens.newest();
    planServing(newest.stamp().generation(), byForce);
    lastNumber = newest.stamp().number();
    if (!rules.commitsAtOpen()) {
      open(newest);
      return;
    }
    lastNumber++;
    ownRecordGenerations.add(generation);
    phase = Phase.COMMITTING;
    refreshAtNanos = nowNanos + timing.graceNanos();
    keeper.begin(opens, newest.next(new RecordStamp(generation, lastNumber), opens.members()), out);
  }

  /** When {@link Serve} may come, and whether this continues what the engine had open. */
  private void planServing(long newestGeneration, boolean byForce) {
    boolean isOwn = ownRecordGenerations.contains(newestGeneration);
    isUnbroken = isUnbroken && isOwn && !byForce;
    int released = 0;
    for (ReplicaId id : peers.with(Link.OURS)) {
      if (newestGeneration > 0 && peer(id).promise().releasedGeneration() == newestGeneration) {
        released++;
      }
    }
    OpenRule.Verdict.Opens opens = decisionMade();
    isCleanOpening = !byForce && released > 0 && everyMemberReleased(opens, newestGeneration);
    boolean isAlone =
        peers.with(Link.OURS).size() == configured.size()
            || (!byForce && (newestGeneration == 0 || released > 0));
    if (isAlone) {
      serveAtNanos = nowNanos;
    } else if (!isUnbroken) {
      serveAtNanos = nowNanos + ReadWindow.WAIT_NANOS;
    }
  }

  private boolean everyMemberReleased(OpenRule.Verdict.Opens opens, long newestGeneration) {
    for (ReplicaId id : opens.members()) {
      if (peer(id).promise().releasedGeneration() != newestGeneration) {
        return false;
      }
    }
    return true;
  }

  /** COMMITTING: the opening's own record is made durable. */
  private void commit() {
    keeper.turn(nowNanos, out);
    Optional<MembershipRecord> record = keeper.decided(decisionMade().newest());
    if (record.isPresent()) {
      open(record.get());
    } else if (nowNanos - refreshAtNanos >= 0) {
      again("the record of the opening is not stored", false);
    }
  }

  private void open(MembershipRecord committed) {
    OpenRule.Verdict.Opens opens = decisionMade();
    phase = Phase.OPEN;
    sets = SetsInForce.of(committed);
    decision = null;
    isServing = false;
    List<ReplicaInfo> members = new ArrayList<>();
    for (ReplicaId id : opens.members()) {
      members.add(peer(id).promise());
    }
    out.add(
        new Opened(
            generation,
            committed,
            List.copyOf(members),
            hasBeenOpen && isUnbroken,
            isCleanOpening));
    hasBeenOpen = true;
    mayTakeOver = false;
    isUnbroken = true;
    for (ReplicaId id : peers.with(Link.OURS)) {
      if (!committed.members().contains(id)) {
        out.add(new MayReturn(id, peer(id).promise()));
      }
    }
  }

  // ---- open: changes -------------------------------------------------------------------------

  /** A proposal that is durable is the set now. */
  private void settle() {
    SetsInForce inForce = inForce();
    MembershipRecord before = inForce.committed();
    Optional<MembershipRecord> decided = keeper.decided(before);
    if (decided.isEmpty()) {
      return;
    }
    MembershipRecord proposal = decided.get();
    if (!inForce.has(proposal)) {
      hold(new TreeSet<>(), "the record was changed by another hand: " + proposal.stamp());
      return;
    }
    sets = SetsInForce.of(proposal);
    for (ReplicaId id : inForce.required(rules)) {
      if (!proposal.members().contains(id)) {
        if (peers.isOurs(id)) {
          disconnect(peer(id), "left the in-sync set with record " + proposal.stamp());
        }
        out.add(new Left(id, proposal));
      }
    }
    for (ReplicaId id : proposal.members()) {
      if (!before.members().contains(id)) {
        peer(id).wantsToJoin = false;
        out.add(new Joined(id, proposal));
      }
    }
  }

  /** Proposes the next set, if the members call for one. */
  private void change() {
    SetsInForce inForce = inForce();
    SortedSet<ReplicaId> live = peers.with(Link.OURS);
    SortedSet<ReplicaId> broken = inForce.required(rules);
    broken.removeAll(live);
    SortedSet<ReplicaId> trusted = inForce.required(rules);
    trusted.removeIf(id -> !live.contains(id) || peer(id).isSuspected);
    if (trusted.equals(inForce.required(rules))) {
      confirmOrGrow(inForce);
      return;
    }
    trusted.retainAll(inForce.committed().members());
    SortedSet<ReplicaId> linked = new TreeSet<>(inForce.committed().members());
    linked.retainAll(live);
    if (shrinkTo(trusted) || broken.isEmpty() || shrinkTo(linked)) {
      return;
    }
    if (keeper.underWay().filter(proposal -> live.containsAll(proposal.members())).isEmpty()) {
      hold(broken, "no set without " + broken + " is legal: " + inForce.committed().members());
    }
  }

  private boolean hasOnly(SortedSet<ReplicaId> members) {
    return keeper.underWay().filter(proposal -> proposal.members().equals(members)).isPresent();
  }

  /** Whether this set is under way, now or already. */
  private boolean shrinkTo(SortedSet<ReplicaId> members) {
    if (hasOnly(members)) {
      return true;
    }
    SetsInForce inForce = inForce();
    if (keeper.underWay().isEmpty() && members.equals(inForce.committed().members())) {
      return false;
    }
    if (!keeper.mayFollow(inForce, members)) {
      return false;
    }
    propose(members);
    return true;
  }

  private void confirmOrGrow(SetsInForce inForce) {
    if (keeper.underWay().isPresent()) {
      return;
    }
    MembershipRecord committed = inForce.committed();
    if (keeper.wantsConfirmation(committed)) {
      propose(committed.members());
      return;
    }
    for (Peer peer : peers.all()) {
      if (peer.wantsToJoin && !committed.members().contains(peer.id)) {
        SortedSet<ReplicaId> members = new TreeSet<>(committed.members());
        members.add(peer.id);
        if (keeper.mayFollow(inForce, members)) {
          propose(members);
          return;
        }
      }
    }
  }

  private void propose(SortedSet<ReplicaId> members) {
    SetsInForce inForce = inForce();
    Optional<MembershipRecord> again =
        keeper.mayRepeat() ? inForce.undecidedOf(members) : Optional.empty();
    MembershipRecord proposal =
        again.orElseGet(() -> {
          lastNumber++;
          return inForce.committed().next(new RecordStamp(generation, lastNumber), members);
        });
    sets = inForce.with(proposal);
    keeper.propose(proposal, out);
  }

  /** Asks replicas outside every set in force to promise this generation. */
  private void invite() {
    if (phase != Phase.OPEN) {
      return;
    }
    SortedSet<ReplicaId> inForce = requiredMembers();
    for (Peer peer : peers.all()) {
      if (peer.link != Link.GREETED || inForce.contains(peer.id) || !isCurrent(peer)) {
        continue;
      }
      long promised = peer.hello().promised();
      if (promised <= generation) {
        ask(peer);
      } else if (!peer.isKnownToStayOut) {
        peer.isKnownToStayOut = true;
        out.add(new StaysOut(peer.id, promisedElsewhere(promised)));
      }
    }
  }

  /**
   * Whether it has promised what every record that names it says it has. If not it is asked once
   * more, since its HELLO may be older than that record; then it stays out.
   */
  private boolean isCurrent(Peer peer) {
    long named = Math.max(peers.namedIn(peer.id), keeper.namedIn(peer.id));
    SetsInForce inForce = sets;
    named = Math.max(named, inForce == null ? 0 : inForce.committed().namedIn(peer.id));
    long promised = peer.hello().promised();
    if (promised >= named) {
      peer.isDoubted = false;
      return true;
    }
    if (!peer.isDoubted) {
      peer.isDoubted = true;
      disconnect(peer, "has promised less than a record that names it says: asking again");
    } else if (!peer.isKnownToStayOut) {
      peer.isKnownToStayOut = true;
      out.add(
          new StaysOut(
              peer.id,
              "is an old copy of itself: a record of generation "
                  + named
                  + " names it, and it has promised "
                  + promised
                  + "; needs a rebuild"));
    }
    return false;
  }

  /** The generation is given up; look for members again. */
  private void hold(SortedSet<ReplicaId> missing, String reason) {
    out.add(new Held(Collections.unmodifiableSortedSet(missing), reason));
    again(reason, false);
  }

  // ---- pieces --------------------------------------------------------------------------------

  /** Begins again: every session of this generation ends first. */
  private void again(String reason, boolean isBusy) {
    for (Peer peer : peers.all()) {
      if (peer.link == Link.ASKED || peer.link == Link.OURS) {
        disconnect(peer, reason);
      }
    }
    phase = Phase.LOOKING;
    why = reason;
    sets = null;
    keeper.reset();
    decision = null;
    isServing = false;
    pauseUntilNanos = isBusy ? nowNanos + timing.retryNanos() : nowNanos;
    hasFirstAnswer = !peers.with(Link.GREETED).isEmpty();
    graceUntilNanos = nowNanos + timing.graceNanos();
    refreshAtNanos = nowNanos + timing.refreshNanos();
    if (!mayTakeOver) {
      giveWayToPromises();
    }
  }

  /** Whoever promised to another engine meanwhile has decided who goes on. */
  private void giveWayToPromises() {
    for (ReplicaId id : peers.with(Link.GREETED)) {
      long promised = peer(id).hello().promised();
      if (promised > highestAsked) {
        depose(promised);
        return;
      }
    }
  }

  private void depose(long by) {
    for (Peer peer : peers.all()) {
      if (peer.link != Link.DOWN) {
        disconnect(peer, promisedElsewhere(by));
      }
    }
    phase = Phase.DEPOSED;
    deposedBy = by;
    sets = null;
    keeper.reset();
    decision = null;
    isServing = false;
    out.add(new MembershipEffect.Deposed(by));
  }

  private void ask(Peer peer) {
    peer.link = Link.ASKED;
    out.add(new AskPromise(peer.id, generation));
    if (!rules.waitsForPromises()) {
      peer.promised(peer.hello());
    }
  }

  private void disconnect(Peer peer, String reason) {
    peer.down();
    out.add(new Disconnect(peer.id, reason));
  }

  private void publish() {
    int required = 0;
    int readable = 0;
    int target = 0;
    int unsuspected = 0;
    SetsInForce inForce = sets;
    if (phase == Phase.OPEN && inForce != null) {
      SortedSet<ReplicaId> members = inForce.required(rules);
      Optional<MembershipRecord> proposal = keeper.underWay();
      for (int i = 0; i < configured.size(); i++) {
        ReplicaId id = configured.get(i);
        Peer peer = peer(id);
        boolean isOurs = peer.link == Link.OURS;
        boolean isProposed = proposal.filter(record -> record.members().contains(id)).isPresent();
        required |= members.contains(id) ? 1 << i : 0;
        target |= isOurs && (members.contains(id) || isProposed) ? 1 << i : 0;
        if (isOurs && inForce.committed().members().contains(id)) {
          readable |= 1 << i;
          unsuspected |= peer.isSuspected ? 0 : 1 << i;
        }
      }
    }
    readable = unsuspected != 0 ? unsuspected : readable;
    if (required != requiredMask || readable != readableMask || target != targetMask) {
      requiredMask = required;
      readableMask = readable;
      targetMask = target;
      out.add(new InForceChanged());
    }
  }

  private Peer peer(ReplicaId id) {
    return peers.of(id);
  }

  private SetsInForce inForce() {
    return present(sets);
  }

  private OpenRule.Verdict.Opens decisionMade() {
    return present(decision);
  }

  static <T> T present(@Nullable T value) {
    if (value == null) {
      throw new IllegalStateException("a value of another phase was asked for");
    }
    return value;
  }

  private static String promisedElsewhere(long generation) {
    // Who was fenced is not told by which generation.
    return generation == 0
        ? "promised to another engine"
        : "promised to generation " + generation + " of another engine";
  }

  private static String tooFew(OpenRule.Verdict.Waits waits) {
    return waits.needed()
        + " of the members "
        + waits.newest().members()
        + " of record "
        + waits.newest().stamp()
        + " are needed; without answer: "
        + waits.missing();
  }
}
