using System.Collections.Generic;
using System.IO;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Build task: copies an assembly and makes some types, with their internal members, public in the copy. Only access flags of
/// TypeDef, Field and MethodDef rows (ECMA-335 II.22) change; identity, layout and code stay.
/// </summary>
public sealed class MakeTypesPublic : Task
{
    private byte[] _image;
    private MetadataReader _metadata;
    private int _tables;

    [Required] public string Source { get; set; }
    [Required] public string Destination { get; set; }
    [Required] public ITaskItem[] Types { get; set; }

    public override bool Execute()
    {
        _image = File.ReadAllBytes(Source);
        using (var assembly = new PEReader(new MemoryStream((byte[])_image.Clone())))
        {
            _metadata = assembly.GetMetadataReader();
            _tables = assembly.PEHeaders.MetadataStartOffset;
            var wanted = new HashSet<string>();
            foreach (var type in Types)
                if (type.GetMetadata("Assembly") == Path.GetFileNameWithoutExtension(Source)) wanted.Add(type.ItemSpec);
            foreach (var type in _metadata.TypeDefinitions)
                if (wanted.Remove(FullName(type))) MakePublic(type);
            foreach (var missing in wanted)
                Log.LogError("'{0}' has no type '{1}': the interop of this project does not fit this version of ML.NET.", Source, missing);
        }
        if (Log.HasLoggedErrors) return false;
        Directory.CreateDirectory(Path.GetDirectoryName(Destination));
        File.WriteAllBytes(Destination, _image);
        return true;
    }

    private string FullName(TypeDefinitionHandle handle)
    {
        var type = _metadata.GetTypeDefinition(handle);
        var name = _metadata.GetString(type.Name);
        var enclosing = type.GetDeclaringType();
        if (!enclosing.IsNil) return FullName(enclosing) + "+" + name;
        return type.Namespace.IsNil ? name : _metadata.GetString(type.Namespace) + "." + name;
    }

    private void MakePublic(TypeDefinitionHandle handle)
    {
        const int Public = 1, NestedPublic = 2;
        var type = _metadata.GetTypeDefinition(handle);
        SetAccess(TableIndex.TypeDef, handle, 0, type.GetDeclaringType().IsNil ? Public : NestedPublic);
        foreach (var field in type.GetFields()) MakeMemberPublic(TableIndex.Field, field, 0);
        foreach (var method in type.GetMethods()) MakeMemberPublic(TableIndex.MethodDef, method, 6); // after RVA and ImplFlags
    }

    private void MakeMemberPublic(TableIndex table, EntityHandle row, int flags)
    {
        const int Internal = 3, ProtectedInternal = 5, Public = 6;
        var access = _image[At(table, row) + flags] & 7;
        if (access == Internal || access == ProtectedInternal) SetAccess(table, row, flags, Public);
    }

    private void SetAccess(TableIndex table, EntityHandle row, int flags, int access)
    {
        var at = At(table, row) + flags;
        _image[at] = (byte)((_image[at] & ~7) | access);
    }

    private int At(TableIndex table, EntityHandle row)
    {
        return _tables + _metadata.GetTableMetadataOffset(table) + (MetadataTokens.GetRowNumber(row) - 1) * _metadata.GetTableRowSize(table);
    }
}
