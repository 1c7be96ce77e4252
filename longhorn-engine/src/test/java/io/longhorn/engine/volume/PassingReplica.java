package io.longhorn.engine.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.VolumeId;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.replica.LocalReplica;

/** A replica that passes everything on to a real one; what a test is about it overrides. */
public abstract class PassingReplica implements LocalReplica {
  /** The one behind it. */
  protected final LocalReplica real;

  protected PassingReplica(LocalReplica real) {
    this.real = real;
  }

  @Override
  public VolumeId volume() {
    return real.volume();
  }

  @Override
  public ReplicaId replica() {
    return real.replica();
  }

  @Override
  public long sizeBytes() {
    return real.sizeBytes();
  }

  @Override
  public MembershipRecord record() {
    return real.record();
  }

  @Override
  public LocalConnection connect(Listener listener) {
    return real.connect(listener);
  }

  @Override
  public void kill() {
    real.kill();
  }

  @Override
  public void close() {
    real.close();
  }
}
