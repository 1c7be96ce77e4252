package io.longhorn.standalone;

import io.longhorn.standalone.cluster.DownCommand;
import io.longhorn.standalone.cluster.EngineImageCommand;
import io.longhorn.standalone.cluster.EventsCommand;
import io.longhorn.standalone.cluster.InstanceManagerCommand;
import io.longhorn.standalone.cluster.LogsCommand;
import io.longhorn.standalone.cluster.NodeCommand;
import io.longhorn.standalone.cluster.SettingCommand;
import io.longhorn.standalone.cluster.StatusCommand;
import io.longhorn.standalone.cluster.UpCommand;
import io.longhorn.standalone.demo.DemoCommand;
import io.longhorn.standalone.volume.ReplicaCommand;
import io.longhorn.standalone.volume.SnapshotCommand;
import io.longhorn.standalone.volume.VolumeCommand;
import java.lang.reflect.Method;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.AutoComplete.GenerateCompletion;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/**
 * The commands, and of them only what some words can mean: to read the annotations of all takes
 * longer than most commands do. What is left out is never seen: as soon as a word is not a
 * command's name, all commands of its group are there, to be listed or suggested.
 */
final class CommandTree {
  private static final String COMPLETION = "generate-completion";
  private static final String HELP = "help";

  /** What picocli's annotation says if it names no command: the method's own name is it. */
  private static final String UNNAMED = "<main class>";

  /** In the order of the help. */
  private static final Map<String, Class<?>> COMMANDS = new LinkedHashMap<>();

  static {
    COMMANDS.put("demo", DemoCommand.class);
    COMMANDS.put("up", UpCommand.class);
    COMMANDS.put("down", DownCommand.class);
    COMMANDS.put("status", StatusCommand.class);
    COMMANDS.put("volume", VolumeCommand.class);
    COMMANDS.put("snapshot", SnapshotCommand.class);
    COMMANDS.put("replica", ReplicaCommand.class);
    COMMANDS.put("instance-manager", InstanceManagerCommand.class);
    COMMANDS.put("engine-image", EngineImageCommand.class);
    COMMANDS.put("node", NodeCommand.class);
    COMMANDS.put("events", EventsCommand.class);
    COMMANDS.put("logs", LogsCommand.class);
    COMMANDS.put("setting", SettingCommand.class);
    COMMANDS.put(COMPLETION, GenerateCompletion.class);
    COMMANDS.put(HELP, HelpCommand.class);
  }

  private CommandTree() {}

  /** Every command under {@code root}. */
  static CommandLine whole(Object root) {
    CommandLine tree = new CommandLine(root);
    COMMANDS.forEach((name, type) -> add(tree, name, type, methods(type)));
    return tree;
  }

  /** Under {@code root} what is needed to understand, to explain or to refuse {@code words}. */
  static CommandLine of(Object root, String... words) {
    String first = words.length > 0 ? words[0] : "";
    if (first.equals(HELP) || first.equals(COMPLETION)) {
      return whole(root);
    }
    CommandLine tree = new CommandLine(root);
    Class<?> meant = COMMANDS.get(first);
    if (meant == null) {
      COMMANDS.forEach((name, type) -> add(tree, name, type, Set.of()));
    } else {
      add(tree, first, meant, methods(meant, words.length > 1 ? words[1] : ""));
    }
    return tree;
  }

  private static void add(
      CommandLine tree, String name, Class<?> type, Collection<Method> subcommands) {
    CommandLine command = new CommandLine(type);
    subcommands.forEach(method -> command.addSubcommand(new CommandLine(method)));
    tree.addSubcommand(name, command);
  }

  /** The one that {@code word} names, or all. */
  private static Collection<Method> methods(Class<?> type, String word) {
    Collection<Method> all = methods(type);
    List<Method> meant = all.stream().filter(method -> name(method).equals(word)).toList();
    return meant.isEmpty() ? all : meant;
  }

  /** The commands of a group are its methods. */
  private static Collection<Method> methods(Class<?> type) {
    return CommandLine.getCommandMethods(type, null);
  }

  private static String name(Method method) {
    String name = method.getAnnotation(Command.class).name();
    return name.equals(UNNAMED) ? method.getName() : name;
  }
}
