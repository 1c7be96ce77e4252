package io.longhorn.orchestration.execution;

import io.longhorn.orchestration.store.ClusterStore;

final class InMemoryExecutorTest extends ActionExecutorContract {
  @Override
  ActionExecutor executor(ClusterStore forObjects) {
    return new InMemoryExecutor(forObjects);
  }

  @Override
  String managerAddress() {
    return "";
  }

  @Override
  String launcher() {
    return "/image";
  }

  @Override
  String disk() {
    return "/disk";
  }
}
