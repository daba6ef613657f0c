//! Texture and surface objects, and the deprecated references of modules.

use crate::driver::abi::*;
use crate::driver::context::current;
use crate::driver::entry::export;
use crate::driver::memory::array::{self, ARRAYS, MIPMAPS};
use crate::driver::module::MODULES;
use crate::driver::result::{CUresult, R, ensure};
use crate::driver::texture::{self, REFERENCES, SURFACES, Settings, TEXTURES, resource};

export! {
    cuTexObjectCreate [cuTexObjectCreate] [] |_d| (pTexObject: Out<CUtexObject>, pResDesc: In<CUDA_RESOURCE_DESC>, pTexDesc: In<CUDA_TEXTURE_DESC>, pResViewDesc: In<CUDA_RESOURCE_VIEW_DESC>) {
        pTexObject.required()?;
        pTexObject.put(CUtexObject(texture::create_texture(&pResDesc.get()?, &pTexDesc.get()?, pResViewDesc.opt())?))
    }
    cuTexObjectDestroy [cuTexObjectDestroy] [] |_d| (texObject: CUtexObject) { texture::destroy_texture(texObject.0) }
    cuTexObjectGetResourceDesc [cuTexObjectGetResourceDesc] [] |_d| (pResDesc: Out<CUDA_RESOURCE_DESC>, texObject: CUtexObject) {
        current()?;
        pResDesc.put(TEXTURES.find(texObject.0).ok_or(CUresult::INVALID_VALUE)?.resource)
    }
    cuTexObjectGetTextureDesc [cuTexObjectGetTextureDesc] [] |_d| (pTexDesc: Out<CUDA_TEXTURE_DESC>, texObject: CUtexObject) {
        current()?;
        pTexDesc.put(TEXTURES.find(texObject.0).ok_or(CUresult::INVALID_VALUE)?.texture)
    }
    cuTexObjectGetResourceViewDesc [cuTexObjectGetResourceViewDesc] [] |_d| (pResViewDesc: Out<CUDA_RESOURCE_VIEW_DESC>, texObject: CUtexObject) {
        current()?;
        // Of an object made without a view there is none to give.
        pResViewDesc.put(TEXTURES.find(texObject.0).and_then(|t| t.view).ok_or(CUresult::INVALID_VALUE)?)
    }
    cuSurfObjectCreate [cuSurfObjectCreate] [] |_d| (pSurfObject: Out<CUsurfObject>, pResDesc: In<CUDA_RESOURCE_DESC>) {
        pSurfObject.required()?;
        pSurfObject.put(CUsurfObject(texture::create_surface(&pResDesc.get()?)?))
    }
    cuSurfObjectDestroy [cuSurfObjectDestroy] [] |_d| (surfObject: CUsurfObject) { texture::destroy_surface(surfObject.0) }
    cuSurfObjectGetResourceDesc [cuSurfObjectGetResourceDesc] [] |_d| (pResDesc: Out<CUDA_RESOURCE_DESC>, surfObject: CUsurfObject) {
        current()?;
        pResDesc.put(SURFACES.find(surfObject.0).ok_or(CUresult::INVALID_VALUE)?.resource)
    }

    cuModuleGetTexRef [cuModuleGetTexRef] [] |_d| (pTexRef: Out<CUtexref>, hmod: CUmodule, name: Text) {
        pTexRef.put(CUtexref(of_module(hmod, name, false)?))
    }
    cuModuleGetSurfRef [cuModuleGetSurfRef] [] |_d| (pSurfRef: Out<CUsurfref>, hmod: CUmodule, name: Text) {
        pSurfRef.put(CUsurfref(of_module(hmod, name, true)?))
    }
    cuTexRefCreate [cuTexRefCreate] [] |_d| (pTexRef: Out<CUtexref>) {
        pTexRef.required()?;
        pTexRef.put(CUtexref(texture::reference(current()?.handle, 0, false)))
    }
    cuTexRefDestroy [cuTexRefDestroy] [] |_d| (hTexRef: CUtexref) {
        // Those of modules end with their module.
        ensure(texture::find_reference(hTexRef.0, false)?.address == 0, CUresult::INVALID_VALUE)?;
        REFERENCES.remove(hTexRef.0).map(drop)
    }
    cuTexRefSetArray [cuTexRefSetArray] [] |_d| (hTexRef: CUtexref, hArray: CUarray, flags: u32) {
        ensure(flags == OVERRIDE_FORMAT, CUresult::INVALID_VALUE)?;
        let array = ARRAYS.get(hArray.0)?;
        set(hTexRef, |s| {
            (s.format, s.channels) = (array.descriptor.Format, array.descriptor.NumChannels);
            bind(s, resource::ARRAY, hArray.0)
        })
    }
    cuTexRefSetMipmappedArray [cuTexRefSetMipmappedArray] [] |_d| (hTexRef: CUtexref, hMipmappedArray: CUmipmappedArray, flags: u32) {
        ensure(flags == OVERRIDE_FORMAT, CUresult::INVALID_VALUE)?;
        let mipmap = MIPMAPS.get(hMipmappedArray.0)?;
        set(hTexRef, |s| {
            if let Some(level) = mipmap.levels.first() {
                (s.format, s.channels) = (level.descriptor.Format, level.descriptor.NumChannels);
            }
            bind(s, resource::MIPMAP, hMipmappedArray.0)
        })
    }
    cuTexRefSetAddress [cuTexRefSetAddress_v2] [] |_d| (byteOffset: Out<usize>, hTexRef: CUtexref, dptr: CUdeviceptr, bytes: usize) {
        let offset = texture::misalignment(current()?.device, dptr.0)?;
        // An address that is not aligned can be used by who asks for the offset, and adds it to each fetch.
        ensure(offset == 0 || !byteOffset.is_null(), CUresult::INVALID_VALUE)?;
        crate::driver::memory::space().check(dptr.0, bytes as u64)?;
        set(hTexRef, |s| {
            let address = dptr.0 - offset;
            s.resource = Some(CUDA_RESOURCE_DESC { resType: resource::LINEAR, address, size: bytes + offset as usize, ..CUDA_RESOURCE_DESC::default() });
            Ok(())
        })?;
        byteOffset.give(offset as usize);
        Ok(())
    }
    cuTexRefSetAddress2D [cuTexRefSetAddress2D_v3 cuTexRefSetAddress2D_v2] [] |_d| (hTexRef: CUtexref, desc: In<CUDA_ARRAY_DESCRIPTOR>, dptr: CUdeviceptr, pitch: usize) {
        let d = desc.get()?;
        array::format(d.Format, d.NumChannels)?;
        ensure(texture::misalignment(current()?.device, dptr.0)? == 0, CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            (s.format, s.channels) = (d.Format, d.NumChannels);
            s.resource = Some(CUDA_RESOURCE_DESC {
                resType: resource::ROWS, address: dptr.0, format: d.Format, numChannels: d.NumChannels, size: d.Width, height: d.Height, pitchInBytes: pitch,
                ..CUDA_RESOURCE_DESC::default()
            });
            Ok(())
        })
    }
    cuTexRefSetFormat [cuTexRefSetFormat] [] |_d| (hTexRef: CUtexref, fmt: u32, numPackedComponents: i32) {
        let channels = u32::try_from(numPackedComponents).map_err(|_| CUresult::INVALID_VALUE)?;
        array::format(fmt, channels)?;
        set(hTexRef, |s| {
            (s.format, s.channels) = (fmt, channels);
            Ok(())
        })
    }
    cuTexRefSetAddressMode [cuTexRefSetAddressMode] [] |_d| (hTexRef: CUtexref, dim: i32, am: u32) {
        ensure((0..3).contains(&dim) && am <= 3, CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            s.texture.addressMode[dim as usize] = am;
            Ok(())
        })
    }
    cuTexRefSetFilterMode [cuTexRefSetFilterMode] [] |_d| (hTexRef: CUtexref, fm: u32) {
        ensure(fm <= 1, CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            s.texture.filterMode = fm;
            Ok(())
        })
    }
    cuTexRefSetMipmapFilterMode [cuTexRefSetMipmapFilterMode] [] |_d| (hTexRef: CUtexref, fm: u32) {
        ensure(fm <= 1, CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            s.texture.mipmapFilterMode = fm;
            Ok(())
        })
    }
    cuTexRefSetMipmapLevelBias [cuTexRefSetMipmapLevelBias] [] |_d| (hTexRef: CUtexref, bias: f32) {
        set(hTexRef, |s| {
            s.texture.mipmapLevelBias = bias;
            Ok(())
        })
    }
    cuTexRefSetMipmapLevelClamp [cuTexRefSetMipmapLevelClamp] [] |_d| (hTexRef: CUtexref, minMipmapLevelClamp: f32, maxMipmapLevelClamp: f32) {
        set(hTexRef, |s| {
            (s.texture.minMipmapLevelClamp, s.texture.maxMipmapLevelClamp) = (minMipmapLevelClamp, maxMipmapLevelClamp);
            Ok(())
        })
    }
    cuTexRefSetMaxAnisotropy [cuTexRefSetMaxAnisotropy] [] |_d| (hTexRef: CUtexref, maxAniso: u32) {
        set(hTexRef, |s| {
            s.texture.maxAnisotropy = maxAniso;
            Ok(())
        })
    }
    cuTexRefSetBorderColor [cuTexRefSetBorderColor] [] |_d| (hTexRef: CUtexref, pBorderColor: In<f32>) {
        let color: [f32; 4] = pBorderColor.list(4)?.try_into().map_err(|_| CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            s.texture.borderColor = color;
            Ok(())
        })
    }
    cuTexRefSetFlags [cuTexRefSetFlags] [] |_d| (hTexRef: CUtexref, flags: u32) {
        ensure(flags & !texture::texture_flag::KNOWN == 0, CUresult::INVALID_VALUE)?;
        set(hTexRef, |s| {
            s.texture.flags = flags;
            Ok(())
        })
    }
    cuTexRefGetAddress [cuTexRefGetAddress_v2] [] |_d| (pdptr: Out<CUdeviceptr>, hTexRef: CUtexref) {
        let r = get(hTexRef)?.resource.filter(|r| matches!(r.resType, resource::LINEAR | resource::ROWS)).ok_or(CUresult::INVALID_VALUE)?;
        pdptr.put(CUdeviceptr(r.address))
    }
    cuTexRefGetArray [cuTexRefGetArray] [] |_d| (phArray: Out<CUarray>, hTexRef: CUtexref) {
        let r = get(hTexRef)?.resource.filter(|r| r.resType == resource::ARRAY).ok_or(CUresult::INVALID_VALUE)?;
        phArray.put(CUarray(r.address))
    }
    cuTexRefGetMipmappedArray [cuTexRefGetMipmappedArray] [] |_d| (phMipmappedArray: Out<CUmipmappedArray>, hTexRef: CUtexref) {
        let r = get(hTexRef)?.resource.filter(|r| r.resType == resource::MIPMAP).ok_or(CUresult::INVALID_VALUE)?;
        phMipmappedArray.put(CUmipmappedArray(r.address))
    }
    cuTexRefGetAddressMode [cuTexRefGetAddressMode] [] |_d| (pam: Out<u32>, hTexRef: CUtexref, dim: i32) {
        ensure((0..3).contains(&dim), CUresult::INVALID_VALUE)?;
        pam.put(get(hTexRef)?.texture.addressMode[dim as usize])
    }
    cuTexRefGetFilterMode [cuTexRefGetFilterMode] [] |_d| (pfm: Out<u32>, hTexRef: CUtexref) { pfm.put(get(hTexRef)?.texture.filterMode) }
    cuTexRefGetFormat [cuTexRefGetFormat] [] |_d| (pFormat: Out<u32>, pNumChannels: Out<i32>, hTexRef: CUtexref) {
        let s = get(hTexRef)?;
        pFormat.give(s.format);
        pNumChannels.give(s.channels as i32);
        Ok(())
    }
    cuTexRefGetMipmapFilterMode [cuTexRefGetMipmapFilterMode] [] |_d| (pfm: Out<u32>, hTexRef: CUtexref) { pfm.put(get(hTexRef)?.texture.mipmapFilterMode) }
    cuTexRefGetMipmapLevelBias [cuTexRefGetMipmapLevelBias] [] |_d| (pbias: Out<f32>, hTexRef: CUtexref) { pbias.put(get(hTexRef)?.texture.mipmapLevelBias) }
    cuTexRefGetMipmapLevelClamp [cuTexRefGetMipmapLevelClamp] [] |_d| (pminMipmapLevelClamp: Out<f32>, pmaxMipmapLevelClamp: Out<f32>, hTexRef: CUtexref) {
        let s = get(hTexRef)?;
        pminMipmapLevelClamp.give(s.texture.minMipmapLevelClamp);
        pmaxMipmapLevelClamp.give(s.texture.maxMipmapLevelClamp);
        Ok(())
    }
    cuTexRefGetMaxAnisotropy [cuTexRefGetMaxAnisotropy] [] |_d| (pmaxAniso: Out<i32>, hTexRef: CUtexref) { pmaxAniso.put(get(hTexRef)?.texture.maxAnisotropy as i32) }
    cuTexRefGetBorderColor [cuTexRefGetBorderColor] [] |_d| (pBorderColor: List<f32>, hTexRef: CUtexref) {
        pBorderColor.required()?;
        for (k, value) in get(hTexRef)?.texture.borderColor.into_iter().enumerate() {
            pBorderColor.put_at(k, value);
        }
        Ok(())
    }
    cuTexRefGetFlags [cuTexRefGetFlags] [] |_d| (pFlags: Out<u32>, hTexRef: CUtexref) { pFlags.put(get(hTexRef)?.texture.flags) }
    cuSurfRefSetArray [cuSurfRefSetArray] [] |_d| (hSurfRef: CUsurfref, hArray: CUarray, flags: u32) {
        ensure(flags == 0, CUresult::INVALID_VALUE)?;
        texture::find_reference(hSurfRef.0, true)?.change(|s| bind(s, resource::ARRAY, hArray.0))
    }
    cuSurfRefGetArray [cuSurfRefGetArray] [] |_d| (phArray: Out<CUarray>, hSurfRef: CUsurfref) {
        let r = texture::find_reference(hSurfRef.0, true)?.settings().resource.ok_or(CUresult::INVALID_VALUE)?;
        phArray.put(CUarray(r.address))
    }
}

/// `CU_TRSA_OVERRIDE_FORMAT`.
const OVERRIDE_FORMAT: u32 = 1;

fn of_module(hmod: CUmodule, name: Text, surface: bool) -> R<u64> {
    current()?;
    let module = MODULES.get(hmod.0)?;
    let name = name.get()?;
    ensure(module.program.references.get(&name) == Some(&surface), CUresult::NOT_FOUND)?;
    let &(address, _) = module.symbols.get(&name).ok_or(CUresult::NOT_FOUND)?;
    Ok(texture::reference(module.ctx, address, surface))
}

fn set(handle: CUtexref, f: impl FnOnce(&mut Settings) -> R) -> R {
    texture::find_reference(handle.0, false)?.change(f)
}

fn get(handle: CUtexref) -> R<Settings> {
    Ok(texture::find_reference(handle.0, false)?.settings())
}

fn bind(settings: &mut Settings, kind: u32, handle: u64) -> R {
    settings.resource = Some(CUDA_RESOURCE_DESC { resType: kind, address: handle, ..CUDA_RESOURCE_DESC::default() });
    Ok(())
}
