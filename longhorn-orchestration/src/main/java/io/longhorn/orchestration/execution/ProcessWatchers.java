package io.longhorn.orchestration.execution;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.watch.EngineWatcher;
import io.longhorn.orchestration.watch.ManagerWatcher;
import java.util.List;
import java.util.TreeMap;

/** One watcher for each process that is to be looked at. One thread. */
final class ProcessWatchers implements AutoCloseable {
  private final RuntimeLayout layout;
  private final Observation observation;
  private final TreeMap<String, Watched<ManagerWatcher>> managers = new TreeMap<>();
  private final TreeMap<String, EngineWatcher> engines = new TreeMap<>();

  private record Watched<T>(String address, T watcher) {}

  ProcessWatchers(RuntimeLayout layout, Observation observation) {
    this.layout = layout;
    this.observation = observation;
  }

  /** Watches these, and no other. */
  void watch(Targets targets) {
    for (String name : List.copyOf(managers.keySet())) {
      Watched<ManagerWatcher> watched = managers.get(name);
      InstanceManager manager = targets.managers().get(name);
      if (watched != null && (manager == null || !manager.address().equals(watched.address))) {
        watched.watcher.close();
        managers.remove(name);
      }
    }
    targets.managers().values().forEach(this::begin);
    for (String name : List.copyOf(engines.keySet())) {
      EngineWatcher watcher = engines.get(name);
      if (watcher != null && !targets.engines().containsKey(name)) {
        watcher.close();
        engines.remove(name);
        observation.forgetEngine(name);
      }
    }
    targets.engines().values().forEach(this::begin);
  }

  private void begin(InstanceManager manager) {
    managers.computeIfAbsent(
        manager.name(),
        name ->
            new Watched<>(
                manager.address(),
                ManagerWatcher.start(
                    CallAddress.parse(manager.address()),
                    seen -> observation.manager(name, seen))));
  }

  private void begin(Engine engine) {
    engines.computeIfAbsent(
        engine.name(),
        name ->
            EngineWatcher.start(
                CallAddress.parse(layout.engineControl(engine)),
                seen -> observation.engine(name, seen)));
  }

  @Override
  public void close() {
    managers.values().forEach(watched -> watched.watcher.close());
    engines.values().forEach(EngineWatcher::close);
  }
}
