package io.longhorn.orchestration.sim.world;

import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** A machine with one disk. Its processes are known to whoever started them. */
public final class SimNode {
  private final String name;
  private final TreeMap<String, SimDirectory> directories = new TreeMap<>();
  private boolean isOn = true;

  /** One that is on, with an empty disk. */
  public SimNode(String name) {
    this.name = name;
  }

  /** Its name. */
  public String name() {
    return name;
  }

  /** Whether its power is on. */
  public boolean isOn() {
    return isOn;
  }

  /** What is on its disk, by path. */
  public SortedMap<String, SimDirectory> directories() {
    return directories;
  }

  /** What is there. */
  public Optional<SimDirectory> directory(String path) {
    return Optional.ofNullable(directories.get(path));
  }

  /** The power goes. */
  public void powerOff(SimScheduler scheduler, boolean mayTear) {
    isOn = false;
    directories.values().forEach(directory -> directory.losePower(scheduler, mayTear));
  }

  /** The power comes back. */
  public void powerOn() {
    isOn = true;
  }
}
