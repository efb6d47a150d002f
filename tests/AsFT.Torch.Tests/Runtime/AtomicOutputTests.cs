using AsFT.Torch.Runtime;

namespace AsFT.Torch.Tests.Runtime;

public sealed class AtomicOutputTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_folder_that_is_there_is_written_from_within_and_keeps_its_other_files()
    {
        File.WriteAllText(Path.Combine(_folder, "old"), "old");
        AtomicOutput.WriteFolder(_folder, partial =>
        {
            Assert.Equal(_folder, Path.GetDirectoryName(partial));
            File.WriteAllText(Path.Combine(partial, "new"), "new");
            Assert.False(File.Exists(Path.Combine(_folder, "new")));
        });
        Assert.Equal(["new", "old"], Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_fails_leaves_nothing(bool isThere)
    {
        var target = Path.Combine(_folder, "target");
        if (isThere) Directory.CreateDirectory(target);
        Assert.Throws<InvalidOperationException>(() => AtomicOutput.WriteFolder(target, partial =>
        {
            File.WriteAllText(Path.Combine(partial, "half"), "");
            throw new InvalidOperationException();
        }));
        Assert.Equal(isThere ? [target] : [], Directory.EnumerateFileSystemEntries(_folder, "*", SearchOption.AllDirectories));
    }
}
