package io.longhorn.engine.claim;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.membership.VolumeRecord;
import io.longhorn.engine.claim.ClaimEffect.Answer;
import io.longhorn.engine.claim.ClaimEffect.AnswerQuiesce;
import io.longhorn.engine.claim.ClaimEffect.AskPromise;
import io.longhorn.engine.claim.ClaimEffect.AskQuiesce;
import io.longhorn.engine.claim.ClaimEffect.BothSidesWrite;
import io.longhorn.engine.claim.ClaimEffect.Execute;
import io.longhorn.engine.claim.ClaimEffect.Fail;
import io.longhorn.engine.claim.ClaimEffect.Finished;
import io.longhorn.engine.claim.ClaimEffect.Forward;
import io.longhorn.engine.claim.ClaimEffect.GiveUpQuiesce;
import io.longhorn.engine.claim.ClaimEffect.Lost;
import io.longhorn.engine.claim.ClaimEffect.MakeEqual;
import io.longhorn.engine.claim.ClaimEffect.Over;
import io.longhorn.engine.claim.ClaimEffect.Ping;
import io.longhorn.engine.claim.ClaimEffect.Reconcile;
import io.longhorn.engine.claim.ClaimEffect.RefuseForward;
import io.longhorn.engine.claim.ClaimEffect.RefuseQuiesce;
import io.longhorn.engine.claim.ClaimEffect.SendRead;
import io.longhorn.engine.claim.ClaimEffect.SendWrite;
import io.longhorn.engine.claim.ClaimEffect.Serving;
import io.longhorn.engine.claim.ClaimEvent.Executed;
import io.longhorn.engine.claim.ClaimEvent.Fenced;
import io.longhorn.engine.claim.ClaimEvent.FinishWanted;
import io.longhorn.engine.claim.ClaimEvent.ForwardAnswered;
import io.longhorn.engine.claim.ClaimEvent.ForwardRefused;
import io.longhorn.engine.claim.ClaimEvent.Heard;
import io.longhorn.engine.claim.ClaimEvent.LinkBroke;
import io.longhorn.engine.claim.ClaimEvent.Linked;
import io.longhorn.engine.claim.ClaimEvent.MadeEqual;
import io.longhorn.engine.claim.ClaimEvent.MemberFlushed;
import io.longhorn.engine.claim.ClaimEvent.OfStore;
import io.longhorn.engine.claim.ClaimEvent.OwnWanted;
import io.longhorn.engine.claim.ClaimEvent.Owns;
import io.longhorn.engine.claim.ClaimEvent.PromiseRefused;
import io.longhorn.engine.claim.ClaimEvent.Promised;
import io.longhorn.engine.claim.ClaimEvent.QuiesceAnswered;
import io.longhorn.engine.claim.ClaimEvent.QuiesceAsked;
import io.longhorn.engine.claim.ClaimEvent.QuiesceGivenUp;
import io.longhorn.engine.claim.ClaimEvent.QuiesceRefused;
import io.longhorn.engine.claim.ClaimEvent.ReadDone;
import io.longhorn.engine.claim.ClaimEvent.ReadFailed;
import io.longhorn.engine.claim.ClaimEvent.Reconciled;
import io.longhorn.engine.claim.ClaimEvent.RecordChanged;
import io.longhorn.engine.claim.ClaimEvent.Tick;
import io.longhorn.engine.claim.ClaimEvent.Wanted;
import io.longhorn.engine.claim.ClaimEvent.Wrote;
import io.longhorn.engine.claim.ClaimRequest.Kind;
import io.longhorn.engine.claim.ClaimRules.Rule;
import io.longhorn.engine.claim.Claiming.Stage;
import io.longhorn.engine.claim.Requests.Pending;
import io.longhorn.engine.claim.Requests.State;
import io.longhorn.engine.claim.Sessions.Session;
import io.longhorn.engine.membership.ReadWindow;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One engine's part in deciding who may write while a volume has two engines: both are claimants in
 * the record, one of them owns it, and the guest moves from one to the other before the control
 * plane hears of it. The loop that has the volume tells it {@link ClaimEvent}s and carries out the
 * {@link ClaimEffect}s in order.
 *
 * <p><b>Not the owner.</b> READ, SNAPSHOT and STATUS go through the owner engine (K2); a READ that
 * is not answered within {@link ClaimTiming#forwardNanos} claims, and so does a WRITE at once.
 * FLUSH goes through the owner too, and claims in the same case if this engine has never owned the
 * volume; otherwise F1 below.
 *
 * <p><b>A claim</b> asks the other engine to stop (QUIESCE), reads the record, and waits for both
 * and for the links of members, {@link ClaimTiming#quiesceNanos} at most. Then one compare-and-set:
 * owner, generation + 1, the members that have a link. Then the members promise. If the other side
 * had stopped, this engine serves at once; if not, when no answer of the other side's {@link
 * ReadWindow} can count any more (K3). It reconciles as after a crash unless the other side had
 * also left nothing undecided and every member has run since (E3): one that was started anew may
 * have lost what the other side could not flush. Whether it had stopped is looked at when the last
 * member has promised: its answer counts for {@link ClaimTiming#validNanos} (Q1), and only if it
 * came from the owner of the very generation that was followed, which answers only once it serves.
 *
 * <p><b>Asked to stop,</b> an owner first completes the requests that made it claim. Then nothing
 * more is sent, what was not sent and writes is failed, what was sent is finished and flushed, and
 * then it answers: clean only if its members are equal everywhere. If nobody claims in spite of
 * that it goes on, at {@link ClaimTiming#resumeNanos} or when told that the claim was given up,
 * with a read window that begins anew.
 *
 * <p><b>An owner that lost</b> its generation (FENCED, a promise elsewhere, another owner in the
 * record) fails every write it had sent (K5): it may have happened, and is never sent again. Reads
 * are repeated through the new owner. It does not claim back before {@link
 * ClaimTiming#claimBackNanos}. Its FLUSH goes through the new owner, and then speaks of all that
 * was acknowledged anywhere; if that does not answer, of what this engine acknowledged: it succeeds
 * when each member it had in force has flushed, has answered FENCED, or is out of sync (F1).
 *
 * <p><b>The end.</b> The winner takes the record for itself: {claimants = {winner}}, in the
 * compare-and-set of its claim, or alone if it owns the volume already; once, for the next
 * migration may name another one before this one serves. The other one finds that out when it wants
 * to claim, and can never again (C1).
 *
 * <p><b>The set.</b> Meanwhile the owner keeps the set: a member whose link broke has left, one
 * that returned is made equal and taken back, each by a compare-and-set that counts as done for
 * acknowledgements until it is known what became of it (K6), each return in a new session (K7).
 *
 * <p>When a claim does not succeed (the store is away, no member answers), requests are held for
 * {@link ClaimTiming#holdNanos}, then fail. An owner's own requests wait for members as long as it
 * takes: how long is not decided here.
 *
 * <p>Loop thread. Never throws for what a peer does. Linear in the number of requests under way.
 */
public final class ClaimCore {
  /** Most requests without an answer; more fail with BUSY. */
  public static final int MAX_REQUESTS = 1024;

  private final EngineId engine;
  private final ClaimTiming timing;
  private final ClaimRules rules;
  private final Sessions sessions = new Sessions();
  private final Requests requests = new Requests();
  private final Flushes flushes = new Flushes();
  private final StoreCalls store;

  private ClaimRole role = ClaimRole.FORWARDING;
  private long nowNanos;
  private List<ClaimEffect> out = new ArrayList<>();
  private long lastSend;

  /** The record is to name this engine alone: once, and not those that are named later. */
  private boolean isFinishWanted;

  /** It is to serve, whether or not a request wants that. */
  private boolean isOwnWanted;

  // Claiming.
  private @Nullable Claiming claim;
  private long lastQuiesce;
  private boolean isBackingOff;
  private long claimFromNanos;

  // Owner, or about to be.
  private long generation;
  private @Nullable MembershipRecord committed;
  private boolean isReconciled;

  /** Made equal, and not yet in the set. */
  private final SortedSet<ReplicaId> joining = new TreeSet<>();

  /** Requests that made this engine claim: done before it gives way again. */
  private final SortedSet<Long> claimedFor = new TreeSet<>();

  // Asked to stop.
  private @Nullable QuiesceId lastAsked;
  private boolean isStopWanted;
  private boolean isStopping;
  private boolean isFlushingToStop;
  private boolean isStopped;
  private long stopAskedNanos;
  private long drainedNanos;

  // Was owner.
  private long lostGeneration;
  private SortedSet<ReplicaId> lostMembers = Collections.emptySortedSet();
  private long lookedForFlushNanos;

  /** A core of an engine that does not own the volume (yet: {@link Owns}). */
  public ClaimCore(EngineId engine, ClaimTiming timing) {
    this(engine, timing, ClaimRules.ALL);
  }

  ClaimCore(EngineId engine, ClaimTiming timing, ClaimRules rules) {
    this.engine = engine;
    this.timing = timing;
    this.rules = rules;
    store = new StoreCalls(timing.retryNanos());
  }

  // ---- what others read -----------------------------------------------------------------------

  /** What this engine is. */
  public ClaimRole role() {
    return role;
  }

  /** The generation that it has, or had last; 0 if none. */
  public long generation() {
    return generation;
  }

  /** Whether it is owner, and has been asked to stop. */
  public boolean isStopping() {
    return isStopping;
  }

  /**
   * Members of all sets in force; empty if it has no generation. A replica that was made equal is
   * one from then on, not from its compare-and-set on: that may have to be repeated, and what is
   * acknowledged meanwhile would be missing on it.
   */
  public SortedSet<ReplicaId> requiredMembers() {
    if (!hasGeneration()) {
      return Collections.emptySortedSet();
    }
    SortedSet<ReplicaId> members = present(committed).members();
    Optional<VolumeRecord> undecided = store.undecided();
    if ((joining.isEmpty() && undecided.isEmpty()) || !rules.holds(Rule.K6)) {
      return members;
    }
    SortedSet<ReplicaId> required = new TreeSet<>(members);
    required.addAll(joining);
    undecided.ifPresent(record -> required.addAll(record.membership().members()));
    return required;
  }

  /** Earliest time at which a {@link Tick} may change something; {@link Long#MAX_VALUE} = never. */
  public long nextWakeNanos() {
    long wake = store.nextWakeNanos();
    if (isBackingOff) {
      wake = Math.min(wake, claimFromNanos);
    }
    Claiming under = claim;
    if (under != null) {
      wake =
          Math.min(
              wake,
              switch (under.stage) {
                case PREPARING ->
                    nowNanos - prepareUntilNanos(under) < 0
                        ? prepareUntilNanos(under)
                        : nowNanos - under.lookAgainNanos < 0
                            ? under.lookAgainNanos
                            : Long.MAX_VALUE;
                case SETTING, PROMISING -> Long.MAX_VALUE;
                case WAITING -> under.serveAtNanos;
              });
    }
    if (isStopping) {
      wake = Math.min(wake, stopAskedNanos + timing.resumeNanos());
      boolean isFlushing = isFlushingToStop && !isStopped;
      wake = isFlushing ? Math.min(wake, drainedNanos + timing.flushNanos()) : wake;
    }
    for (Pending pending : requests.all()) {
      wake =
          Math.min(
              wake,
              switch (pending.state) {
                case WAITING -> role == ClaimRole.OWNER ? Long.MAX_VALUE : pending.deadlineNanos;
                case FORWARDED -> pending.forwardUntilNanos;
                case READ -> nextPingNanos();
                case FLUSHING -> Math.min(pending.deadlineNanos, nowNanos + timing.quiesceNanos());
                case SENT -> Long.MAX_VALUE;
              });
    }
    return wake;
  }

  private long nextPingNanos() {
    long next = Long.MAX_VALUE;
    for (ReplicaId id : requiredMembers()) {
      Session session = sessions.of(id);
      // One whose session is over is not pinged: an event says what becomes of it.
      if (session.isOurs) {
        next = Math.min(next, session.pingDueNanos(timing.retryNanos()));
      }
    }
    return Math.max(next, nowNanos);
  }

  private long prepareUntilNanos(Claiming under) {
    return under.beganNanos + timing.quiesceNanos();
  }

  // ---- events ---------------------------------------------------------------------------------

  /** Takes one event; returns what is to be done, in order. */
  public List<ClaimEffect> step(ClaimEvent event) {
    nowNanos = event.nowNanos();
    out = new ArrayList<>();
    take(event);
    advance();
    return out;
  }

  private void take(ClaimEvent event) {
    switch (event) {
      case Tick _ -> {}
      case Owns owns -> owns(owns);
      case Wanted(_, ClaimRequest request) -> wanted(request);
      case ForwardAnswered(_, long id) ->
          requests.of(id).filter(p -> p.state == State.FORWARDED).ifPresent(this::answer);
      case ForwardRefused(_, long id) ->
          requests.of(id).filter(p -> p.state == State.FORWARDED).ifPresent(this::forwardFailed);
      case Wrote(_, long send, ReplicaId replica) ->
          requests.sent(send).ifPresent(p -> p.acknowledged.add(replica));
      case ReadDone(_, long send) -> requests.sent(send).ifPresent(this::readDone);
      case ReadFailed(_, long send) -> requests.sent(send).ifPresent(Pending::again);
      case Executed(_, long send) -> requests.sent(send).ifPresent(this::answer);
      case MemberFlushed(_, long call, ReplicaId replica) -> flushes.flushed(call, replica);
      case QuiesceAsked(_, QuiesceId asked) -> quiesceAsked(asked);
      case QuiesceGivenUp(_, QuiesceId asked) -> {
        if (asked.equals(lastAsked)) {
          goOn();
        }
      }
      case QuiesceAnswered(_, long number, EngineId by, long of, boolean isClean) ->
          preparing(number).ifPresent(under -> under.answered(by, of, isClean));
      case QuiesceRefused(_, long number) ->
          preparing(number).ifPresent(under -> under.isOtherDone = true);
      case Linked(_, ReplicaId id, long promised, RecordStamp record, boolean isContinuous) -> {
        sessions.of(id).linked(promised, record, isContinuous);
        higherSeen(id, promised);
      }
      case LinkBroke(_, ReplicaId id) -> broke(id);
      case Promised(_, ReplicaId id, long of, boolean hasRun) -> promised(id, of, hasRun);
      case PromiseRefused(_, ReplicaId id, long of, long there) -> {
        if (of == generation && sessions.of(id).isAsked) {
          fenced(id, there);
        }
      }
      case Fenced(_, ReplicaId id, long by) -> fenced(id, by);
      case Heard(_, ReplicaId id, long sentNanos) -> {
        if (!isStopped) {
          sessions.of(id).heard(sentNanos);
        }
      }
      case MadeEqual(_, ReplicaId id) -> {
        if (role == ClaimRole.OWNER && sessions.of(id).isReturning) {
          joining.add(id);
          // It has on its disk what it was made equal to: a FLUSH asks it too from now on.
          sessions.of(id).isContinuous = true;
        }
      }
      case Reconciled(_, long of) -> isReconciled |= hasGeneration() && of == generation;
      case FinishWanted(_, long of) -> finishWanted(of);
      case OwnWanted _ -> isOwnWanted = role != ClaimRole.OWNER;
      case RecordChanged _ -> {
        if (hasGeneration()) {
          store.lookAgain();
        }
      }
      case OfStore answer -> {
        if (store.take(answer)) {
          recordSeen();
        }
      }
    }
  }

  private void owns(Owns owns) {
    VolumeRecord record =
        owns.stored()
            .record()
            .orElseThrow(() -> new IllegalArgumentException("an owner without a record"));
    if (role != ClaimRole.FORWARDING || !record.isOwnedBy(engine, record.reservedGeneration())) {
      throw new IllegalArgumentException("engine " + engine + " does not own " + record);
    }
    store.seen(owns.stored());
    role = ClaimRole.OWNER;
    generation = record.reservedGeneration();
    committed = record.membership();
    isReconciled = owns.isReconciled();
    for (ReplicaId id : owns.sessions()) {
      Session session = sessions.of(id);
      session.linked(generation, record.membership().stamp(), true);
      session.isAsked = true;
      session.isOurs = true;
    }
    membersWithoutLinkHaveLeft();
    out.add(new Serving(generation));
  }

  /** One that has taken the volume since that was decided does not take it for itself any more. */
  private void finishWanted(long decidedAt) {
    if (generation > decidedAt) {
      return;
    }
    isFinishWanted = true;
    if (hasGeneration() && store.record().filter(this::isFinal).isPresent()) {
      store.lookAgain();
    }
  }

  private void wanted(ClaimRequest request) {
    if (requests.size() >= MAX_REQUESTS) {
      out.add(new Fail(request.id(), IoError.BUSY));
    } else {
      requests.add(new Pending(request, nowNanos + timing.holdNanos()));
    }
  }

  private void forwardFailed(Pending pending) {
    boolean isLoser = role == ClaimRole.FENCED || role == ClaimRole.OVER;
    if (pending.is(Kind.FLUSH) && isLoser) {
      flushAsLoser(pending);
    } else if (pending.is(Kind.READ) || pending.is(Kind.FLUSH)) {
      pending.again();
      pending.needsClaim = true;
    } else {
      fail(pending, IoError.EIO);
    }
  }

  private void readDone(Pending pending) {
    if (!hasGeneration()) {
      // Only without K2: nobody's window is asked.
      answer(pending);
    } else {
      pending.state = State.READ;
    }
  }

  // ---- replicas -------------------------------------------------------------------------------

  private void fenced(ReplicaId id, long by) {
    Session session = sessions.of(id);
    session.promised = Math.max(session.promised, by);
    higherSeen(id, by);
  }

  /** A replica has promised that: everything before is on its disk. */
  private void higherSeen(ReplicaId id, long promised) {
    if (sessions.of(id).isContinuous) {
      flushes.fenced(id, promised);
    }
    if (hasGeneration() && promised > generation) {
      lost(promised);
    }
  }

  private void broke(ReplicaId id) {
    Session session = sessions.of(id);
    session.down();
    joining.remove(id);
    for (Pending pending : requests.all()) {
      pending.acknowledged.remove(id);
    }
    if (hasGeneration()) {
      session.isLost = requiredMembers().contains(id);
    }
  }

  private void promised(ReplicaId id, long of, boolean hasRun) {
    Session session = sessions.of(id);
    if (of != generation || !session.isAsked || !hasGeneration()) {
      return;
    }
    session.isOurs = true;
    session.promised = Math.max(session.promised, of);
    if (session.isContinuous) {
      flushes.fenced(id, of);
    }
    // What it answers from now on is another matter.
    session.isContinuous |= hasRun || role == ClaimRole.OWNER;
    Claiming under = claim;
    if (under != null) {
      under.lastPromiseNanos = nowNanos;
    }
  }

  private void ask(ReplicaId id) {
    sessions.of(id).isAsked = true;
    out.add(new AskPromise(id, generation, present(committed)));
  }

  // ---- asked to stop --------------------------------------------------------------------------

  private void quiesceAsked(QuiesceId asked) {
    QuiesceId last = lastAsked;
    if (last != null && last.engine().equals(asked.engine()) && last.number() >= asked.number()) {
      return;
    }
    if (!hasGeneration()) {
      out.add(new RefuseQuiesce(asked));
      return;
    }
    lastAsked = asked;
    isStopWanted = true;
    stopAskedNanos = nowNanos;
    if (isStopped) {
      isStopped = false;
      isFlushingToStop = false;
    }
  }

  /** Nothing more is sent; what was not sent fails if it writes, reads can be repeated. */
  private void stop() {
    isStopWanted = false;
    if (isStopping) {
      return;
    }
    isStopping = true;
    for (Pending pending : requests.all()) {
      if (pending.state == State.WAITING && pending.is(Kind.WRITE)) {
        fail(pending, IoError.EIO);
      }
    }
  }

  private void drain() {
    for (Pending pending : requests.all()) {
      if (pending.state == State.READ) {
        pending.again();
      }
    }
    if (isStopped || requests.isAnyUnderWay()) {
      return;
    }
    if (!isFlushingToStop) {
      isFlushingToStop = true;
      drainedNanos = nowNanos;
      flushes.begin(Flushes.OF_QUIESCE, generation, requiredMembers(), sessions, nowNanos, out);
    } else if (nowNanos - drainedNanos >= timing.flushNanos()) {
      flushes.drop(Flushes.OF_QUIESCE);
      hasStopped();
    }
  }

  private void hasStopped() {
    isStopped = true;
    sessions.forgetHeard();
    out.add(new AnswerQuiesce(present(lastAsked), generation, isReconciled));
  }

  private void goOn() {
    flushes.drop(Flushes.OF_QUIESCE);
    isStopWanted = false;
    isStopping = false;
    isStopped = false;
    isFlushingToStop = false;
  }

  // ---- the record -----------------------------------------------------------------------------

  /** The record was read or changed: what it says has happened. */
  private void recordSeen() {
    Claiming under = claim;
    if (under != null && under.stage == Stage.SETTING) {
      claimSeen(under);
      return;
    }
    Optional<VolumeRecord> seen = store.record();
    if (!hasGeneration()) {
      seen.ifPresent(record -> flushes.inSync(record.membership().members()));
      return;
    }
    if (seen.isEmpty() || !seen.get().isOwnedBy(engine, generation)) {
      lost(seen.map(VolumeRecord::reservedGeneration).orElse(generation));
      return;
    }
    MembershipRecord now = seen.get().membership();
    committed = now;
    joining.removeAll(now.members());
    SortedSet<ReplicaId> required = requiredMembers();
    for (ReplicaId id : now.leftAt().keySet()) {
      if (!required.contains(id)) {
        sessions.of(id).isLost = false;
      }
    }
    flushes.inSync(required);
    if (isFinal(seen.get())) {
      isNamedAlone();
    }
  }

  private void isNamedAlone() {
    if (isFinishWanted) {
      isFinishWanted = false;
      isOwnWanted = role != ClaimRole.OWNER;
      out.add(new Finished(generation));
    }
  }

  private void claimSeen(Claiming under) {
    Optional<VolumeRecord> seen = store.record();
    if (seen.isEmpty() || store.undecided().isPresent()) {
      return;
    }
    VolumeRecord record = seen.get();
    VolumeRecord wanted = under.wanted().orElseThrow();
    if (record.isOwnedBy(engine, wanted.reservedGeneration())) {
      begin(under, record);
      if (isFinal(wanted)) {
        // It was, whoever has been named since.
        isNamedAlone();
      }
    } else if (record.reservedGeneration() != under.base().reservedGeneration()) {
      // The other engine was first.
      giveUp(under);
      backOff();
    } else {
      under.stage = Stage.PREPARING;
    }
  }

  private boolean isFinal(VolumeRecord record) {
    return record.claimants().equals(alone()) && record.phase() == VolumeRecord.Phase.NONE;
  }

  private SortedSet<EngineId> alone() {
    return new TreeSet<>(List.of(engine));
  }

  private Optional<VolumeRecord> wantedRecord() {
    Claiming under = claim;
    if (under != null && under.stage == Stage.SETTING) {
      return under.wanted();
    }
    if (!hasGeneration() || store.record().isEmpty()) {
      return Optional.empty();
    }
    VolumeRecord record = store.record().get();
    SortedSet<ReplicaId> members = new TreeSet<>(present(committed).members());
    members.addAll(joining);
    members.removeIf(id -> sessions.of(id).isLost);
    boolean isOtherSet = !members.isEmpty() && !members.equals(present(committed).members());
    boolean isFinishing = isFinishWanted && !isFinal(record);
    if (!isOtherSet && !isFinishing) {
      return Optional.empty();
    }
    MembershipRecord next = present(committed);
    if (isOtherSet) {
      next = next.next(new RecordStamp(generation, next.stamp().number() + 1), members);
    }
    return Optional.of(
        new VolumeRecord(
            next,
            generation,
            Optional.of(engine),
            isFinishing ? alone() : record.claimants(),
            isFinishing ? VolumeRecord.Phase.NONE : record.phase()));
  }

  // ---- what follows ---------------------------------------------------------------------------

  private void advance() {
    expire();
    // A step may make the next one possible; there are few in a row.
    Object before;
    do {
      before = place();
      switch (role) {
        case FORWARDING, FENCED -> forward();
        case CLAIMING -> claimOn(present(claim));
        case OWNER -> own();
        case OVER -> failAll();
      }
      finishFlushes();
    } while (!before.equals(place()));
    store.turn(nowNanos, wantedRecord(), out);
  }

  private Object place() {
    Claiming under = claim;
    return List.of(role, under == null ? "" : under.stage, isStopping, isStopped, requests.size());
  }

  private void expire() {
    for (Pending pending : requests.all()) {
      switch (pending.state) {
        case WAITING -> {
          if (role != ClaimRole.OWNER && nowNanos - pending.deadlineNanos >= 0) {
            fail(pending, IoError.EIO);
          }
        }
        case FORWARDED -> {
          if (nowNanos - pending.forwardUntilNanos >= 0) {
            forwardFailed(pending);
          }
        }
        case FLUSHING -> {
          if (nowNanos - pending.deadlineNanos >= 0) {
            flushes.drop(pending.request.id());
            fail(pending, IoError.EIO);
          }
        }
        case SENT, READ -> {}
      }
    }
    // Whoever has not answered for so long may have left the set: then it does not matter.
    if (!hasGeneration()
        && claim == null
        && flushes.isAnyOlder(nowNanos, timing.quiesceNanos())
        && nowNanos - lookedForFlushNanos >= timing.quiesceNanos()) {
      lookedForFlushNanos = nowNanos;
      store.refresh();
    }
  }

  // ---- not the owner --------------------------------------------------------------------------

  private void forward() {
    for (Pending pending : requests.all()) {
      if (pending.state != State.WAITING) {
        continue;
      }
      if (pending.request.isForwarded()) {
        refuse(pending);
      } else if (!pending.is(Kind.WRITE) && !pending.needsClaim) {
        forward(pending);
      }
    }
    isBackingOff = isBackingOff && nowNanos - claimFromNanos < 0;
    if (!isBackingOff && wantsClaim()) {
      startClaim();
    }
  }

  private void forward(Pending pending) {
    if (pending.is(Kind.READ) && !rules.holds(Rule.K2)) {
      pending.state = State.SENT;
      pending.send = ++lastSend;
      out.add(new SendRead(pending.send, pending.request.id(), 0, new TreeSet<>(), false));
      return;
    }
    pending.state = State.FORWARDED;
    pending.forwardUntilNanos = nowNanos + timing.forwardNanos();
    out.add(new Forward(pending.request));
  }

  private void flushAsLoser(Pending pending) {
    if (!rules.holds(Rule.F1)) {
      answer(pending);
      return;
    }
    pending.state = State.FLUSHING;
    flushes.begin(pending.request.id(), lostGeneration, lostMembers, sessions, nowNanos, out);
  }

  private void finishFlushes() {
    for (long id : flushes.done()) {
      if (id == Flushes.OF_QUIESCE) {
        if (isStopping && isFlushingToStop && !isStopped) {
          hasStopped();
        }
      } else {
        requests.of(id).ifPresent(this::answer);
      }
    }
  }

  private boolean isClaimFor(Pending pending) {
    return pending.state == State.WAITING
        && !pending.request.isForwarded()
        && (pending.is(Kind.WRITE) || pending.needsClaim);
  }

  private boolean wantsClaim() {
    return isFinishWanted || isOwnWanted || requests.all().stream().anyMatch(this::isClaimFor);
  }

  private void failAll() {
    for (Pending pending : requests.all()) {
      if (pending.state != State.WAITING) {
        continue;
      }
      if (pending.request.isForwarded()) {
        refuse(pending);
      } else if (pending.is(Kind.FLUSH) && lostGeneration > 0) {
        flushAsLoser(pending);
      } else {
        fail(pending, IoError.EIO);
      }
    }
  }

  // ---- claiming -------------------------------------------------------------------------------

  private void startClaim() {
    boolean isForWrite = requests.all().stream().anyMatch(p -> isClaimFor(p) && p.is(Kind.WRITE));
    role = ClaimRole.CLAIMING;
    claim = new Claiming(++lastQuiesce, nowNanos, isForWrite);
    store.forget();
    store.refresh();
    out.add(new AskQuiesce(lastQuiesce));
  }

  private Optional<Claiming> preparing(long number) {
    return Optional.ofNullable(claim)
        .filter(under -> under.number == number && under.stage == Stage.PREPARING);
  }

  private void claimOn(Claiming under) {
    switch (under.stage) {
      case PREPARING -> {
        if (!wantsClaim()) {
          giveUp(under);
        } else {
          prepare(under);
        }
      }
      case SETTING -> {
        if (!wantsClaim()) {
          giveUp(under);
        }
      }
      case PROMISING -> promise(under);
      case WAITING -> {
        if (!sessions.areOurs(requiredMembers())) {
          under.stage = Stage.PROMISING;
        } else if (nowNanos - under.serveAtNanos >= 0) {
          serve();
        }
      }
    }
  }

  private void prepare(Claiming under) {
    Optional<VolumeRecord> seen = store.record();
    if (seen.isEmpty()) {
      return;
    }
    VolumeRecord base = seen.get();
    if (rules.holds(Rule.C1) && !base.claimants().contains(engine)) {
      giveUp(under);
      role = ClaimRole.OVER;
      out.add(new Over());
      return;
    }
    MembershipRecord before = base.membership();
    SortedSet<ReplicaId> reachable = sessions.linked(before.members());
    boolean isOver = nowNanos - prepareUntilNanos(under) >= 0;
    boolean isOldStore =
        reachable.stream().anyMatch(id -> sessions.of(id).record.isNewerThan(before.stamp()));
    if (isOldStore) {
      // What was read has become old, or the store was put back: then requests fail in the end.
      if (nowNanos - under.lookAgainNanos >= 0) {
        under.lookAgainNanos = nowNanos + timing.retryNanos();
        store.refresh();
      }
      return;
    }
    if (reachable.isEmpty()
        || !(isOver || (under.isOtherDone && reachable.equals(before.members())))) {
      return;
    }
    long next = Math.max(base.reservedGeneration(), sessions.highestPromised()) + 1;
    RecordStamp stamp = new RecordStamp(next, before.stamp().number() + 1);
    under.set(
        base,
        new VolumeRecord(
            before.next(stamp, reachable),
            next,
            Optional.of(engine),
            isFinishWanted ? alone() : base.claimants(),
            isFinishWanted ? VolumeRecord.Phase.NONE : base.phase()));
  }

  private void giveUp(Claiming under) {
    out.add(new GiveUpQuiesce(under.number));
    claim = null;
    store.forget();
    becomeForwarding();
  }

  private void becomeForwarding() {
    role = lostGeneration > 0 ? ClaimRole.FENCED : ClaimRole.FORWARDING;
  }

  private void backOff() {
    isBackingOff = true;
    claimFromNanos = nowNanos + timing.claimBackNanos();
  }

  /** The record names this engine. */
  private void begin(Claiming under, VolumeRecord record) {
    under.stage = Stage.PROMISING;
    under.lastPromiseNanos = nowNanos;
    generation = record.reservedGeneration();
    committed = record.membership();
    isReconciled = false;
    sessions.endAll();
    membersWithoutLinkHaveLeft();
    boolean isBack =
        lostGeneration > 0
            && under.base().owner().filter(other -> !other.equals(engine)).isPresent();
    if (isBack && under.isForWrite) {
      out.add(new BothSidesWrite(generation));
    }
    if (sessions.highestPromised() > generation) {
      lost(sessions.highestPromised());
    }
  }

  private void membersWithoutLinkHaveLeft() {
    for (ReplicaId id : present(committed).members()) {
      sessions.of(id).isLost = !sessions.of(id).isLinked;
    }
  }

  private void promise(Claiming under) {
    if (isForsaken()) {
      lost(0);
      return;
    }
    SortedSet<ReplicaId> configured = new TreeSet<>(present(committed).members());
    configured.addAll(present(committed).leftAt().keySet());
    for (ReplicaId id : configured) {
      Session session = sessions.of(id);
      if (session.isLinked && !session.isAsked && !session.isLost) {
        ask(id);
      }
    }
    SortedSet<ReplicaId> required = requiredMembers();
    if (!sessions.areOurs(required)) {
      return;
    }
    boolean hasStopped = under.hasOtherStopped(nowNanos, timing, rules);
    boolean mayServe = hasStopped || sessions.areOurs(configured) || !rules.holds(Rule.K3);
    under.stage = Stage.WAITING;
    under.serveAtNanos = mayServe ? nowNanos : under.lastPromiseNanos + ReadWindow.WAIT_NANOS;
    isReconciled = hasStopped && under.isOtherClean(sessions.areContinuous(required));
  }

  private void serve() {
    requests.all().stream()
        .filter(this::isClaimFor)
        .forEach(pending -> claimedFor.add(pending.request.id()));
    role = ClaimRole.OWNER;
    isOwnWanted = false;
    requiredMembers().forEach(id -> sessions.of(id).isContinuous = true);
    claim = null;
    isBackingOff = false;
    if (!isReconciled) {
      out.add(new Reconcile(generation, present(committed).members()));
    }
    out.add(new Serving(generation));
  }

  // ---- the owner ------------------------------------------------------------------------------

  private boolean hasGeneration() {
    Claiming under = claim;
    return role == ClaimRole.OWNER
        || (under != null && (under.stage == Stage.PROMISING || under.stage == Stage.WAITING));
  }

  /** All members are gone: there is nothing to serve from, and no set that could follow. */
  private boolean isForsaken() {
    return requiredMembers().stream().allMatch(id -> sessions.of(id).isLost);
  }

  private void own() {
    if (isForsaken()) {
      lost(0);
      return;
    }
    claimedFor.removeIf(id -> !requests.has(id));
    answerWrites();
    answerReads();
    if (isStopWanted && claimedFor.isEmpty()) {
      stop();
    }
    if (isStopping) {
      drain();
      if (nowNanos - stopAskedNanos - timing.resumeNanos() >= 0) {
        goOn();
      }
    }
    if (!isStopping) {
      invite();
      requests.all().stream().filter(p -> p.state == State.WAITING).forEach(this::start);
    }
  }

  private void answerWrites() {
    SortedSet<ReplicaId> required = requiredMembers();
    for (Pending pending : requests.all()) {
      if (pending.state == State.SENT
          && pending.is(Kind.WRITE)
          && pending.acknowledged.containsAll(required)) {
        answer(pending);
      }
    }
  }

  private void answerReads() {
    SortedSet<ReplicaId> required = requiredMembers();
    boolean isInWindow =
        !rules.holds(Rule.K3) || (!isStopped && sessions.areInWindow(required, nowNanos));
    boolean isPingWanted = false;
    for (Pending pending : requests.all()) {
      if (pending.state == State.READ && isInWindow) {
        answer(pending);
      } else {
        isPingWanted |= pending.state == State.READ;
      }
    }
    for (ReplicaId id : required) {
      if (isPingWanted && sessions.of(id).isPingDue(nowNanos, timing.retryNanos())) {
        sessions.of(id).pinged(nowNanos);
        out.add(new Ping(id));
      }
    }
  }

  private void start(Pending pending) {
    boolean isEqualFirst = pending.is(Kind.READ) && !isReconciled && rules.holds(Rule.K4);
    pending.isEqualFirst = isEqualFirst;
    if (!requests.mayStart(pending, rules.holds(Rule.K1))) {
      return;
    }
    SortedSet<ReplicaId> sources = sessions.ours();
    long id = pending.request.id();
    switch (pending.request.kind()) {
      case READ -> {
        sources.retainAll(present(committed).members());
        if (!sources.isEmpty()) {
          sent(pending);
          out.add(new SendRead(pending.send, id, generation, sources, isEqualFirst));
        }
      }
      case WRITE -> {
        if (!sources.isEmpty()) {
          sent(pending);
          out.add(new SendWrite(pending.send, id, generation, sources));
        }
      }
      case FLUSH -> {
        pending.state = State.FLUSHING;
        flushes.begin(id, generation, requiredMembers(), sessions, nowNanos, out);
      }
      case SNAPSHOT, STATUS -> {
        sent(pending);
        out.add(new Execute(pending.send, id, generation));
      }
    }
  }

  private void sent(Pending pending) {
    pending.state = State.SENT;
    pending.send = ++lastSend;
  }

  /** Replicas outside the set that answer are made equal, one promise, one copy, one return. */
  private void invite() {
    SortedSet<ReplicaId> required = requiredMembers();
    for (ReplicaId id : present(committed).leftAt().keySet()) {
      Session session = sessions.of(id);
      if (required.contains(id) || !session.isLinked) {
        continue;
      }
      if (!session.isAsked) {
        ask(id);
      } else if (session.isOurs && !session.isReturning && isReconciled) {
        session.isReturning = true;
        out.add(new MakeEqual(id, generation));
      }
    }
  }

  /** The generation is another engine's, or nobody's. */
  private void lost(long by) {
    lostGeneration = generation;
    lostMembers = requiredMembers();
    for (Pending pending : requests.all()) {
      if (pending.request.isForwarded()) {
        flushes.drop(pending.request.id());
        refuse(pending);
      } else if (pending.state == State.FLUSHING) {
        flushes.drop(pending.request.id());
        pending.again();
      } else if (pending.isUnderWay()) {
        if (pending.is(Kind.READ) || (pending.is(Kind.WRITE) && !rules.holds(Rule.K5))) {
          pending.again();
        } else {
          fail(pending, IoError.EIO);
        }
      }
    }
    QuiesceId asked = lastAsked;
    if ((isStopWanted || (isStopping && !isStopped)) && asked != null) {
      out.add(new RefuseQuiesce(asked));
    }
    goOn();
    claim = null;
    role = ClaimRole.FENCED;
    claimedFor.clear();
    joining.clear();
    sessions.endAll();
    store.forget();
    backOff();
    out.add(new Lost(generation, by));
  }

  // ---- pieces ---------------------------------------------------------------------------------

  private void answer(Pending pending) {
    requests.remove(pending);
    out.add(new Answer(pending.request.id()));
  }

  private void fail(Pending pending, IoError error) {
    requests.remove(pending);
    out.add(new Fail(pending.request.id(), error));
  }

  private void refuse(Pending pending) {
    requests.remove(pending);
    out.add(new RefuseForward(pending.request.id()));
  }

  static <T> T present(@Nullable T value) {
    if (value == null) {
      throw new IllegalStateException("a value of another role was asked for");
    }
    return value;
  }
}
