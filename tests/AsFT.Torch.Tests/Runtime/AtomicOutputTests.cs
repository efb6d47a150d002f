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
            Assert.StartsWith(_folder, partial);
            File.WriteAllText(Path.Combine(partial, "new"), "new");
            Assert.False(File.Exists(Path.Combine(_folder, "new")));
        });
        Assert.Equal(["new", "old"], Directory.EnumerateFileSystemEntries(_folder).Select(Path.GetFileName).Order());
    }

    // As a kill between two renames: a folder in the way of one of them.
    [Fact]
    public void A_save_broken_off_between_two_files_leaves_no_old_weights_beside_new_files()
    {
        foreach (var name in new[] { "a.json", "model.safetensors" }) File.WriteAllText(Path.Combine(_folder, name), "old");
        Directory.CreateDirectory(Path.Combine(_folder, "b.json"));
        Assert.ThrowsAny<IOException>(() => AtomicOutput.WriteFolder(_folder, partial =>
        {
            foreach (var name in new[] { "a.json", "b.json", "model.safetensors" }) File.WriteAllText(Path.Combine(partial, name), "new");
        }));
        Assert.Equal("new", File.ReadAllText(Path.Combine(_folder, "a.json")));
        Assert.False(File.Exists(Path.Combine(_folder, "model.safetensors")));
    }

    [Fact]
    public void What_a_killed_process_left_goes_with_the_next_write_and_what_a_living_one_works_on_stays()
    {
        string Leave(string name)
        {
            var folder = Directory.CreateDirectory(Path.Combine(_folder, name));
            File.WriteAllText(Path.Combine(folder.FullName, ".owner"), "");
            File.WriteAllText(Path.Combine(folder.CreateSubdirectory("content").FullName, "half"), "half");
            return folder.FullName;
        }
        var (left, foreign) = (Leave(".partial-left"), Leave("other"));
        using var living = PassingFolder.Within(_folder);
        AtomicOutput.WriteFile(Path.Combine(_folder, "new"), partial => File.WriteAllText(partial, "new"));
        Assert.False(Directory.Exists(left));
        Assert.True(Directory.Exists(foreign));
        Assert.True(Directory.Exists(living.Path));
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
