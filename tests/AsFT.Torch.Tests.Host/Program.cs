using System.Reflection;
using System.Runtime.Loader;

// Another program's process, as a notebook's kernel or a host of plug-ins is one: it loads AsFT.Torch.dll by its path, finds what that needs
// in the folders it is told, loads libtorch, and uses TorchSharp itself before any other type of ours.
// Arguments: AsFT.Torch.dll and folders of assemblies.
AssemblyLoadContext.Default.Resolving += (context, name) =>
    args.Skip(1).Select(folder => Path.Combine(folder, $"{name.Name}.dll")).Where(File.Exists).Select(context.LoadFromAssemblyPath).FirstOrDefault();
var engine = Assembly.LoadFrom(args[0]);
try
{
    engine.GetType("AsFT.Torch.Runtime.AsftRuntime", throwOnError: true)!.GetMethod("Initialize")!.Invoke(null, null);
}
catch (TargetInvocationException e) when (e.InnerException is DllNotFoundException missing)
{
    Console.WriteLine($"missing:{missing.Message}");
    return;
}
var torch = AssemblyLoadContext.Default.LoadFromAssemblyName(new AssemblyName("TorchSharp")).GetType("TorchSharp.torch", throwOnError: true)!;
Console.WriteLine($"threads:{torch.GetMethod("get_num_threads")!.Invoke(null, null)}");
foreach (var line in OperatingSystem.IsLinux() ? File.ReadLines("/proc/self/maps") : [])
    if (line.EndsWith("/libtorch_cpu.so", StringComparison.Ordinal) && line.Contains(" r-xp ", StringComparison.Ordinal)) Console.WriteLine($"libtorch:{line[line.IndexOf('/')..]}");
