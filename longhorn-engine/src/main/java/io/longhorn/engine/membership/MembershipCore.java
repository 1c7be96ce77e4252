package io.longhorn.engine.membership;

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
import io.longhorn.engine.membership.MembershipEffect.StoreRecord;
import io.longhorn.engine.membership.MembershipEvent.Fenced;
import io.longhorn.engine.membership.MembershipEvent.ForceWanted;
import io.longhorn.engine.membership.MembershipEvent.JoinWanted;
import io.longhorn.engine.membership.MembershipEvent.LinkBroke;
import io.longhorn.engine.membership.MembershipEvent.PromiseRefused;
import io.longhorn.engine.membership.MembershipEvent.Promised;
import io.longhorn.engine.membership.MembershipEvent.RecordStored;
import io.longhorn.engine.membership.MembershipEvent.ReopenWanted;
import io.longhorn.engine.membership.MembershipEvent.ReplicaAnswered;
import io.longhorn.engine.membership.MembershipEvent.Suspected;
import io.longhorn.engine.membership.MembershipEvent.Tick;
import io.longhorn.engine.membership.MembershipEvent.Unsuspected;
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
 * One engine's part in the membership of its volume, with authority {@link Authority.Replicas}:
 * opening, changing the in-sync set, and giving way. The loop that owns the volume tells it {@link
 * MembershipEvent}s and carries out the {@link MembershipEffect}s in order.
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
 * <p>Loop thread. Never throws for what a replica or the network does. Not for the data path,
 * except the masks, which are fields.
 */
public final class MembershipCore {
  private enum Phase {
    LOOKING,
    PROMISING,
    COMPLETING,
    COMMITTING,
    OPEN,
    DEPOSED
  }

  private static final class Peer {
    final ReplicaId id;
    LinkState link = LinkState.DOWN;
    @Nullable ReplicaInfo hello;
    @Nullable ReplicaInfo promise;
    boolean isSuspected;
    boolean wantsToJoin;
    boolean isKnownToStayOut;

    /** Its last HELLO was behind; perhaps only older than what others said. Outlives the link. */
    boolean isDoubted;

    Peer(ReplicaId id) {
      this.id = id;
    }

    void down() {
      link = LinkState.DOWN;
      hello = null;
      promise = null;
      isSuspected = false;
      wantsToJoin = false;
      isKnownToStayOut = false;
    }
  }

  private enum LinkState {
    DOWN,
    GREETED,
    ASKED,
    OURS
  }

  private final List<ReplicaId> configured;
  private final SortedMap<ReplicaId, Peer> peers = new TreeMap<>();
  private final Authority authority;
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
  private boolean hasFirstAnswer;
  private long pauseUntilNanos;
  private long graceUntilNanos;
  private long membersGraceUntilNanos;
  private long refreshAtNanos;

  // The record that is being made durable: the one found, the opening's own, or a proposal.
  private @Nullable MembershipRecord current;
  private final SortedSet<ReplicaId> stored = new TreeSet<>();
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
    this.configured = List.copyOf(configured);
    this.authority = authority;
    this.timing = timing;
    this.rules = rules;
    for (ReplicaId id : this.configured) {
      peers.put(id, new Peer(id));
    }
    if (configured.isEmpty()
        || configured.size() > MembershipRecord.MAX_REPLICAS
        || peers.size() != configured.size()) {
      throw new IllegalArgumentException(
          "configure 1 to "
              + MembershipRecord.MAX_REPLICAS
              + " replicas, each once: "
              + configured);
    }
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
        && current == null
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
    return switch (phase) {
      case LOOKING -> {
        boolean isPaused = nowNanos - pauseUntilNanos < 0;
        yield isPaused
            ? pauseUntilNanos
            : hasFirstAnswer ? Math.min(graceUntilNanos, refreshAtNanos) : Long.MAX_VALUE;
      }
      case PROMISING ->
          nowNanos - membersGraceUntilNanos < 0 ? membersGraceUntilNanos : graceUntilNanos;
      case COMPLETING, COMMITTING -> refreshAtNanos;
      case OPEN -> isServing ? Long.MAX_VALUE : serveAtNanos;
      case DEPOSED -> Long.MAX_VALUE;
    };
  }

  /** For status. */
  public MembershipState state() {
    return switch (phase) {
      case LOOKING -> new MembershipState.Looking(hasBeenOpen, withLink(LinkState.GREETED), why);
      case PROMISING, COMPLETING, COMMITTING ->
          new MembershipState.Opening(generation, hasBeenOpen, withLink(LinkState.OURS));
      case OPEN ->
          new MembershipState.Open(
              generation, inForce().committed(), isServing, requiredMembers(), current != null);
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
      case RecordStored(_, ReplicaId id, RecordStamp stamp) -> stored(peer(id), stamp);
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
    peer.down();
    peer.link = LinkState.GREETED;
    peer.hello = info;
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
    if (phase == Phase.PROMISING) {
      if (info.promised() > generation) {
        again("another engine has promises of generation " + info.promised(), true);
      } else if (isCurrent(peer)) {
        ask(peer);
      }
    }
  }

  private void promised(Peer peer, long asked, ReplicaInfo info) {
    if (asked != generation || peer.link != LinkState.ASKED) {
      return;
    }
    peer.link = LinkState.OURS;
    peer.promise = info;
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
    if (asked != generation || peer.link != LinkState.ASKED) {
      return;
    }
    peer.link = LinkState.GREETED;
    if (phase == Phase.OPEN) {
      out.add(new StaysOut(peer.id, promisedElsewhere(there)));
    } else if (mayTakeOver) {
      again(promisedElsewhere(there), true);
    } else {
      depose(there);
    }
  }

  private void stored(Peer peer, RecordStamp stamp) {
    MembershipRecord record = current;
    if (record != null && record.stamp().equals(stamp) && peer.link == LinkState.OURS) {
      stored.add(peer.id);
    }
  }

  private void broke(Peer peer) {
    boolean wasOurs = peer.link == LinkState.OURS;
    peer.down();
    OpenRule.Verdict.Opens decided = decision;
    if (wasOurs && decided != null && decided.members().contains(peer.id)) {
      again("member " + peer.id + " failed while the volume was being opened", false);
    }
  }

  private void suspected(Peer peer, boolean isSuspected) {
    peer.isSuspected = isSuspected && peer.link == LinkState.OURS;
  }

  private void fenced(Peer peer, long by) {
    highestSeen = Math.max(highestSeen, by);
    if (peer.link != LinkState.OURS) {
      return;
    }
    if (mayTakeOver) {
      again(promisedElsewhere(by), true);
    } else {
      depose(by);
    }
  }

  private void joinWanted(Peer peer) {
    peer.wantsToJoin = phase == Phase.OPEN && peer.link == LinkState.OURS;
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
    if (phase == Phase.PROMISING) {
      promise();
    }
    if (phase == Phase.COMPLETING || phase == Phase.COMMITTING) {
      commit();
    }
    if (phase == Phase.OPEN) {
      settle();
      change();
      invite();
      if (phase == Phase.OPEN && !isServing && nowNanos - serveAtNanos >= 0) {
        isServing = true;
        out.add(new Serve());
      }
    }
  }

  /** LOOKING: enough answers to ask for promises? */
  private void look() {
    SortedSet<ReplicaId> greeted = withLink(LinkState.GREETED);
    greeted.removeIf(id -> !isCurrent(peer(id)));
    if (greeted.isEmpty()) {
      why = "no replica answers";
      hasFirstAnswer = false;
      return;
    }
    if (nowNanos - pauseUntilNanos < 0) {
      return;
    }
    SortedMap<ReplicaId, MembershipRecord> told = new TreeMap<>();
    for (ReplicaId id : greeted) {
      told.put(id, helloOf(peer(id)).record());
    }
    OpenRule.Verdict guess = mayOpen(told);
    boolean isEnough =
        isForced
            || switch (guess) {
              case OpenRule.Verdict.Opens _ -> true;
              case OpenRule.Verdict.Waits waits -> {
                why = tooFew(waits);
                yield false;
              }
            };
    boolean isAll =
        greeted.size() == configured.size() || greeted.containsAll(guess.newest().members());
    if (isEnough && (isAll || nowNanos - graceUntilNanos >= 0)) {
      generation = Math.max(highestSeen, highestAsked) + 1;
      highestAsked = generation;
      phase = Phase.PROMISING;
      membersGraceUntilNanos = graceUntilNanos;
      graceUntilNanos = nowNanos + timing.graceNanos();
      refreshAtNanos = graceUntilNanos + timing.refreshNanos();
      greeted.forEach(id -> ask(peer(id)));
    } else if (nowNanos - refreshAtNanos >= 0) {
      greeted.forEach(id -> disconnect(peer(id), "asking again: " + why));
      hasFirstAnswer = false;
    } else if (isEnough) {
      why = "waiting a little for the other members";
    }
  }

  /** PROMISING: enough promises to decide? */
  private void promise() {
    SortedMap<ReplicaId, MembershipRecord> found = new TreeMap<>();
    for (ReplicaId id : withLink(LinkState.OURS)) {
      Peer peer = peer(id);
      ReplicaInfo said = rules.recordFromPromise() ? promiseOf(peer) : helloOf(peer);
      found.put(id, said.record());
    }
    boolean isLate = nowNanos - graceUntilNanos >= 0;
    if (!found.isEmpty()) {
      OpenRule.Verdict verdict = mayOpen(found);
      boolean isAllThere =
          isLate || (withLink(LinkState.ASKED).isEmpty() && nowNanos - membersGraceUntilNanos >= 0);
      switch (verdict) {
        case OpenRule.Verdict.Opens opens -> {
          if (isAllThere
              || found.size() == configured.size()
              || opens.members().equals(opens.newest().members())) {
            decide(opens, false);
            return;
          }
        }
        case OpenRule.Verdict.Waits waits -> {
          why = tooFew(waits);
          if (isForced && (isLate || withLink(LinkState.ASKED).isEmpty())) {
            force(waits);
            return;
          }
        }
      }
    }
    if (nowNanos - refreshAtNanos >= 0 || withLink(LinkState.DOWN).size() == configured.size()) {
      again("not enough promises: " + why, false);
    }
  }

  private void force(OpenRule.Verdict.Waits waits) {
    MembershipRecord newest = waits.newest();
    SortedSet<ReplicaId> members = withLink(LinkState.OURS);
    members.retainAll(newest.members());
    if (members.isEmpty()) {
      members = withLink(LinkState.OURS);
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
    if (!rules.commitsAtOpen()) {
      lastNumber = newest.stamp().number();
      open(newest);
      return;
    }
    phase = Phase.COMPLETING;
    stored.clear();
    stored.addAll(opens.members());
    stored.removeAll(opens.lacking());
    current = newest;
    for (ReplicaId member : opens.lacking()) {
      out.add(new StoreRecord(member, newest));
    }
    refreshAtNanos = nowNanos + timing.graceNanos();
  }

  /** When {@link Serve} may come, and whether this continues what the engine had open. */
  private void planServing(long newestGeneration, boolean byForce) {
    boolean isOwn = ownRecordGenerations.contains(newestGeneration);
    isUnbroken = isUnbroken && isOwn && !byForce;
    int released = 0;
    for (ReplicaId id : withLink(LinkState.OURS)) {
      if (newestGeneration > 0 && promiseOf(peer(id)).releasedGeneration() == newestGeneration) {
        released++;
      }
    }
    OpenRule.Verdict.Opens opens = decisionMade();
    isCleanOpening = !byForce && released > 0 && everyMemberReleased(opens, newestGeneration);
    boolean isAlone =
        withLink(LinkState.OURS).size() == configured.size()
            || (!byForce && (newestGeneration == 0 || released > 0));
    if (isAlone) {
      serveAtNanos = nowNanos;
    } else if (!isUnbroken) {
      serveAtNanos = nowNanos + ReadWindow.WAIT_NANOS;
    }
  }

  private boolean everyMemberReleased(OpenRule.Verdict.Opens opens, long newestGeneration) {
    for (ReplicaId id : opens.members()) {
      if (promiseOf(peer(id)).releasedGeneration() != newestGeneration) {
        return false;
      }
    }
    return true;
  }

  /** COMPLETING, COMMITTING: the record found, then the opening's own, on all members. */
  private void commit() {
    OpenRule.Verdict.Opens opens = decisionMade();
    if (phase == Phase.COMPLETING && stored.containsAll(opens.members())) {
      phase = Phase.COMMITTING;
      MembershipRecord newest = opens.newest();
      lastNumber = newest.stamp().number() + 1;
      ownRecordGenerations.add(generation);
      send(newest.next(new RecordStamp(generation, lastNumber), opens.members()));
    }
    MembershipRecord record = record(current);
    if (phase == Phase.COMMITTING && isDurable(record, opens.newest())) {
      open(record);
    } else if (nowNanos - refreshAtNanos >= 0) {
      again("members do not store the record", false);
    }
  }

  private void open(MembershipRecord committed) {
    OpenRule.Verdict.Opens opens = decisionMade();
    phase = Phase.OPEN;
    sets = SetsInForce.of(committed);
    current = null;
    decision = null;
    stored.clear();
    isServing = false;
    List<ReplicaInfo> members = new ArrayList<>();
    for (ReplicaId id : opens.members()) {
      members.add(promiseOf(peer(id)));
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
    for (ReplicaId id : withLink(LinkState.OURS)) {
      if (!committed.members().contains(id)) {
        out.add(new MayReturn(id, promiseOf(peer(id))));
      }
    }
  }

  // ---- open: changes -------------------------------------------------------------------------

  /** A proposal that all its members have stored is the set now. */
  private void settle() {
    MembershipRecord proposal = current;
    SetsInForce inForce = inForce();
    if (proposal == null || !isDurable(proposal, inForce.committed())) {
      return;
    }
    MembershipRecord before = inForce.committed();
    sets = SetsInForce.of(proposal);
    current = null;
    stored.clear();
    for (ReplicaId id : inForce.required(rules)) {
      if (!proposal.members().contains(id)) {
        Peer peer = peers.get(id);
        if (peer != null && peer.link == LinkState.OURS) {
          disconnect(peer, "left the in-sync set with record " + proposal.stamp());
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
    SortedSet<ReplicaId> live = withLink(LinkState.OURS);
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
    MembershipRecord proposal = current;
    if (proposal == null || !live.containsAll(proposal.members())) {
      hold(broken, "no set without " + broken + " is legal: " + inForce.committed().members());
    }
  }

  private boolean hasOnly(SortedSet<ReplicaId> members) {
    MembershipRecord proposal = current;
    return proposal != null && proposal.members().equals(members);
  }

  /** Whether this set is under way, now or already. */
  private boolean shrinkTo(SortedSet<ReplicaId> members) {
    if (hasOnly(members)) {
      return true;
    }
    SetsInForce inForce = inForce();
    if (current == null && members.equals(inForce.committed().members())) {
      return false;
    }
    if (!mayFollow(members)) {
      return false;
    }
    propose(members);
    return true;
  }

  private void confirmOrGrow(SetsInForce inForce) {
    if (current != null) {
      return;
    }
    MembershipRecord committed = inForce.committed();
    if (rules.contestedNeedsAll()
        && committed.members().size() > 2
        && OpenRule.isContested(committed)) {
      propose(committed.members());
      return;
    }
    for (Peer peer : peers.values()) {
      if (peer.wantsToJoin && !committed.members().contains(peer.id)) {
        SortedSet<ReplicaId> members = new TreeSet<>(committed.members());
        members.add(peer.id);
        if (mayFollow(members)) {
          propose(members);
          return;
        }
      }
    }
  }

  private void propose(SortedSet<ReplicaId> members) {
    SetsInForce inForce = inForce();
    lastNumber++;
    MembershipRecord proposal =
        inForce.committed().next(new RecordStamp(generation, lastNumber), members);
    sets = inForce.with(proposal);
    send(proposal);
  }

  private void send(MembershipRecord record) {
    current = record;
    stored.clear();
    for (ReplicaId member : record.members()) {
      Peer peer = peers.get(member);
      if (peer != null && peer.link == LinkState.OURS) {
        out.add(new StoreRecord(member, record));
      }
    }
  }

  /** Asks replicas outside every set in force to promise this generation. */
  private void invite() {
    if (phase != Phase.OPEN) {
      return;
    }
    SortedSet<ReplicaId> inForce = requiredMembers();
    for (Peer peer : peers.values()) {
      if (peer.link != LinkState.GREETED || inForce.contains(peer.id) || !isCurrent(peer)) {
        continue;
      }
      long promised = helloOf(peer).promised();
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
    long named = 0;
    for (Peer other : peers.values()) {
      named = Math.max(named, other.hello == null ? 0 : other.hello.record().namedIn(peer.id));
      named = Math.max(named, other.promise == null ? 0 : other.promise.record().namedIn(peer.id));
    }
    SetsInForce inForce = sets;
    named = Math.max(named, inForce == null ? 0 : inForce.committed().namedIn(peer.id));
    long promised = helloOf(peer).promised();
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

  // ---- the three questions for the authority -------------------------------------------------

  private OpenRule.Verdict mayOpen(SortedMap<ReplicaId, MembershipRecord> found) {
    return switch (authority) {
      case Authority.Replicas _ -> OpenRule.judge(found, rules);
    };
  }

  private boolean mayFollow(SortedSet<ReplicaId> members) {
    return switch (authority) {
      case Authority.Replicas _ -> inForce().allows(members, rules);
    };
  }

  private boolean isDurable(MembershipRecord record, MembershipRecord before) {
    return switch (authority) {
      case Authority.Replicas _ ->
          rules.durableOnAll()
              ? stored.containsAll(record.members())
              : 2 * OpenRule.countIn(stored, before.members()) >= before.members().size();
    };
  }

  // ---- pieces --------------------------------------------------------------------------------

  /** Begins again: every session of this generation ends first. */
  private void again(String reason, boolean isBusy) {
    for (Peer peer : peers.values()) {
      if (peer.link == LinkState.ASKED || peer.link == LinkState.OURS) {
        disconnect(peer, reason);
      }
    }
    phase = Phase.LOOKING;
    why = reason;
    sets = null;
    current = null;
    decision = null;
    stored.clear();
    isServing = false;
    pauseUntilNanos = isBusy ? nowNanos + timing.retryNanos() : nowNanos;
    hasFirstAnswer = !withLink(LinkState.GREETED).isEmpty();
    graceUntilNanos = nowNanos + timing.graceNanos();
    refreshAtNanos = nowNanos + timing.refreshNanos();
    if (!mayTakeOver) {
      giveWayToPromises();
    }
  }

  /** Whoever promised to another engine meanwhile has decided who goes on. */
  private void giveWayToPromises() {
    for (ReplicaId id : withLink(LinkState.GREETED)) {
      long promised = helloOf(peer(id)).promised();
      if (promised > highestAsked) {
        depose(promised);
        return;
      }
    }
  }

  private void depose(long by) {
    for (Peer peer : peers.values()) {
      if (peer.link != LinkState.DOWN) {
        disconnect(peer, promisedElsewhere(by));
      }
    }
    phase = Phase.DEPOSED;
    deposedBy = by;
    sets = null;
    current = null;
    decision = null;
    isServing = false;
    out.add(new MembershipEffect.Deposed(by));
  }

  private void ask(Peer peer) {
    peer.link = LinkState.ASKED;
    out.add(new AskPromise(peer.id, generation));
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
      MembershipRecord proposal = current;
      for (int i = 0; i < configured.size(); i++) {
        ReplicaId id = configured.get(i);
        Peer peer = peer(id);
        boolean isOurs = peer.link == LinkState.OURS;
        boolean isProposed = proposal != null && proposal.members().contains(id);
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

  private SortedSet<ReplicaId> withLink(LinkState link) {
    SortedSet<ReplicaId> ids = new TreeSet<>();
    for (Peer peer : peers.values()) {
      if (peer.link == link) {
        ids.add(peer.id);
      }
    }
    return ids;
  }

  private Peer peer(ReplicaId id) {
    Peer peer = peers.get(id);
    if (peer == null) {
      throw new IllegalArgumentException("replica " + id + " is not one of " + configured);
    }
    return peer;
  }

  private SetsInForce inForce() {
    return present(sets);
  }

  private OpenRule.Verdict.Opens decisionMade() {
    return present(decision);
  }

  private static MembershipRecord record(@Nullable MembershipRecord record) {
    return present(record);
  }

  private static ReplicaInfo helloOf(Peer peer) {
    return present(peer.hello);
  }

  private static ReplicaInfo promiseOf(Peer peer) {
    return present(peer.promise);
  }

  private static <T> T present(@Nullable T value) {
    if (value == null) {
      throw new IllegalStateException("a value of another phase was asked for");
    }
    return value;
  }

  private static String promisedElsewhere(long generation) {
    return "promised to generation " + generation + " of another engine";
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
